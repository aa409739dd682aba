/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds on huge pages: their size, what happens when there are fewer than are asked for, physical addresses. Reserves
 * pages itself; without permission it looks at what happens without any. */
#include "kind.h"

#include <sys/file.h>

#define POOL "/sys/kernel/mm/hugepages/hugepages-2048kB/"

static long number(const char *name)
{
    char path[128];
    long value = 0;
    FILE *file;

    snprintf(path, sizeof(path), POOL "%s", name);
    file = fopen(path, "r");
    if (!file)
        return -1;
    CHECK_INT(1, fscanf(file, "%ld", &value));
    fclose(file);
    return value;
}

static void set_number(long value)
{
    FILE *file = fopen(POOL "nr_hugepages", "w");

    if (file) {
        fprintf(file, "%ld", value);
        fclose(file);
    }
}

/* The lock of scripts/with-huge-pages.sh: a later test finds the number as it was. */
static void one_at_a_time(void)
{
    const char *dir = getenv("TMPDIR");
    char path[4096];

    snprintf(path, sizeof(path), "%s/memkind-huge-pages.lock", dir ? dir : "/tmp");
    CHECK_INT(0, flock(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600), LOCK_EX));
}

static long before = -1;

static void put_back(void)
{
    if (before >= 0)
        set_number(before);
}

/* Whatever there is of huge pages: memory or ENOMEM. */
static void short_of_pages(bool required)
{
    struct wanted wanted = {.options = MEMKIND_OPTION_PIN, .page_size = 2 * MIB, .required = required, .limit = GIB};
    memkind_t kind = NULL;
    int code = create_wanted(&wanted, &kind);
    size_t bytes = 0;
    char *block;

    if (required && code == MEMKIND_ERROR_HUGETLB)
        return;
    CHECK_INT(0, code);
    while (bytes < 128 * MIB && (block = memkind_malloc(kind, 4 * MIB)) != NULL) {
        memset(block, 1, 4 * MIB);
        bytes += 4 * MIB;
    }
    if (!required)
        CHECK_INT(128 * MIB, bytes);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

static void with_pages(void)
{
    memkind_t kind = make_wanted((struct wanted){.options = MEMKIND_OPTION_PIN, .page_size = 2 * MIB, .required = true,
                                                 .slab_size = 4 * MIB});
    memkind_t loose = make_wanted((struct wanted){.options = MEMKIND_OPTION_PIN, .slab_size = 4 * MIB});
    char *block = memkind_malloc(kind, 1000);
    unsigned long physical = 1, other;
    size_t length = 0;
    int code;

    CHECK_NOT_NULL(block);
    CHECK_INT(2 * MIB, usage_of(kind).page_size);
    CHECK_INT(4 * MIB, usage_of(kind).held);
    code = memkind_get_physical(block + 5, &physical, &length);
    if (frame_of(block)) {
        CHECK_INT(0, code);
        CHECK_INT(frame_of(block) * 4096 + ((uintptr_t)block + 5) % 4096, physical);
        CHECK_INT(2 * MIB - ((uintptr_t)block + 5) % (2 * MIB), length);
        CHECK_INT(0, memkind_get_physical(block + 6, &other, NULL));
        CHECK_INT(physical + 1, other);
    } else {
        CHECK_INT(MEMKIND_ERROR_UNAVAILABLE, code);
    }
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_get_physical(block, NULL, &length));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_get_physical(memkind_malloc(loose, 10), &physical, &length));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_get_physical(&physical, &physical, &length));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_get_physical(NULL, &physical, &length));
    CHECK_INT(0, memkind_destroy_kind(kind));
    CHECK_INT(0, memkind_destroy_kind(loose));
}

int main(void)
{
    short_of_pages(false);
    short_of_pages(true);
    if (number("nr_hugepages") < 0)
        SKIP("the kernel has no huge pages");
    one_at_a_time();
    before = number("nr_hugepages");
    atexit(put_back);
    set_number(before + 4);
    if (number("free_hugepages") < 4)
        SKIP("no permission to reserve huge pages, or no room for them");
    short_of_pages(false);
    short_of_pages(true);
    with_pages();
    return 0;
}
