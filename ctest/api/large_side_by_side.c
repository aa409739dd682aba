/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks above 8 MiB of a multiple of 2 MiB lie side by side, and the kernel makes one mapping of them: a program
 * may have more of them than mappings (vm.max_map_count), also where the kernel maps upwards, as it does with an
 * unlimited stack. Each is still resized and freed by itself. */
#include "machine.h"

#include <sys/personality.h>

enum { MOST = 2000 };

static const size_t size = 10 * MIB;

static size_t n_mappings(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    size_t n = 0;
    int c;

    CHECK_NOT_NULL(file);
    while ((c = getc(file)) != EOF) {
        n += c == '\n';
    }
    fclose(file);
    return n;
}

static void check_kind(memkind_t kind, size_t count)
{
    static char *blocks[MOST];
    const size_t before = n_mappings();

    for (size_t i = 0; i < count; i++) {
        blocks[i] = memkind_malloc(kind, size);
        CHECK_NOT_NULL(blocks[i]);
        /* Some are in use when the next one comes. */
        if (i % 50 == 0) {
            fill(blocks[i], 100, (unsigned)i);
        }
    }
    const size_t with = n_mappings();
    if (with > before + 8 + count / 20) {
        FAIL("%zu blocks made %zu mappings of %zu", count, with, before);
    }
    for (size_t i = 0; i < count; i += 50) {
        CHECK_INT(size, memkind_malloc_usable_size(kind, blocks[i]));
        blocks[i] = memkind_realloc(kind, blocks[i], 2 * size + 1);
        CHECK_NOT_NULL(blocks[i]);
        CHECK(holds(blocks[i], 100, (unsigned)i));
    }
    for (size_t i = 0; i < count; i++) {
        memkind_free(kind, blocks[i]);
    }
}

int main(int argc, char **argv)
{
    const int usual = personality(0xffffffff);

    if (argc == 1 && personality(usual | ADDR_COMPAT_LAYOUT) >= 0) {
        CHECK_CHILD(run_again("upwards", NULL));
        CHECK(personality(usual) >= 0);
        return run_again("as usual", NULL);
    }
    const size_t counted = meminfo("MemAvailable") / 4 / size;

    check_context = argv[argc - 1];
    check_kind(MEMKIND_DEFAULT, MOST);
    if (memkind_check_available(MEMKIND_REGULAR) != 0) {
        return 0;
    }
    if (counted < 50) {
        SKIP("too little memory is available");
    }
    /* What is bound to nodes is refused when they have no more, touched or not. */
    check_kind(MEMKIND_REGULAR, counted < 200 ? counted : 200);
    check_kind(MEMKIND_INTERLEAVE, 200);
    return 0;
}
