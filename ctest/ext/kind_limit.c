/* SPDX-License-Identifier: BSD-2-Clause */
/* A limit on a kind of anonymous memory: it holds whatever the sizes and the threads, what is freed can be had again,
 * and nothing is left when the kind is gone. */
#include "kind.h"

#include <pthread.h>

#define LIMIT (48 * MIB)

static size_t mapped(void)
{
    char line[256];
    size_t bytes = 0;
    FILE *maps = fopen("/proc/self/maps", "r");

    CHECK_NOT_NULL(maps);
    while (fgets(line, sizeof(line), maps)) {
        unsigned long start, end;
        CHECK_INT(2, sscanf(line, "%lx-%lx", &start, &end));
        bytes += end - start;
    }
    fclose(maps);
    return bytes;
}

/* Takes blocks until there are none, and gives them back; how many bytes there were. */
static size_t fill_up(memkind_t kind, size_t size)
{
    void *last = NULL, *block;
    size_t bytes = 0;

    while ((block = memkind_malloc(kind, size)) != NULL) {
        memset(block, 0xa5, size);
        memcpy(block, &last, sizeof(last));
        last = block;
        bytes += size;
        CHECK(bytes <= LIMIT);
    }
    CHECK_INT(ENOMEM, errno);
    while (last) {
        memcpy(&block, last, sizeof(block));
        memkind_free(NULL, last);
        last = block;
    }
    return bytes;
}

static void *work(void *argument)
{
    for (int i = 0; i < 20; i++)
        fill_up(argument, (size_t)10000 << i % 6);
    return NULL;
}

/* A kind on a file or on an area tells its limit, too. */
static void limits_of_others(void)
{
    static char area[4 * MIB];
    memkind_t kind = NULL;

    CHECK_INT(0, memkind_create_pmem(test_dir(), LIMIT, &kind));
    CHECK_INT(LIMIT, usage_of(kind).limit);
    CHECK_INT(0, memkind_destroy_kind(kind));
    CHECK_INT(0, memkind_create_pmem(test_dir(), 0, &kind));
    CHECK_INT(0, usage_of(kind).limit);
    CHECK_INT(0, memkind_destroy_kind(kind));
    CHECK_INT(0, memkind_create_fixed(area, sizeof(area), &kind));
    CHECK_INT(sizeof(area), usage_of(kind).limit);
    CHECK_INT(0, memkind_destroy_kind(kind));
    CHECK_INT(0, usage_of(MEMKIND_DEFAULT).limit);
}

int main(void)
{
    static const unsigned options[] = {0, MEMKIND_OPTION_POPULATE, MEMKIND_OPTION_PIN};
    size_t before = 0;

    for (int round = 0; round < 6; round++) {
        memkind_t kind = make_wanted((struct wanted){.limit = LIMIT, .options = options[round % 3]});
        pthread_t threads[4];
        struct memkind_usage usage;

        CHECK_INT(LIMIT, memkind_get_capacity(kind));
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, LIMIT + 1));
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, (size_t)1 << 46));
        CHECK(fill_up(kind, 64) > LIMIT / 2);
        CHECK(fill_up(kind, 4096) > LIMIT / 2);
        CHECK(fill_up(kind, 100000) > LIMIT / 2);
        /* What arenas took at different times is not joined. */
        CHECK(fill_up(kind, 3 * MIB) >= LIMIT / 3);
        for (int i = 0; i < 4; i++)
            CHECK_INT(0, pthread_create(&threads[i], NULL, work, kind));
        for (int i = 0; i < 4; i++)
            CHECK_INT(0, pthread_join(threads[i], NULL));
        usage = usage_of(kind);
        CHECK_INT(LIMIT, usage.limit);
        CHECK(usage.held <= LIMIT && usage.peak <= LIMIT && usage.peak >= usage.held);
        CHECK(usage.n_refused > 0 && usage.n_ranges >= 1);
        CHECK_INT(0, usage.in_use);
        CHECK_INT(0, memkind_destroy_kind(kind));
        if (round == 2)
            before = mapped();
    }
    CHECK(mapped() <= before + MIB);
    limits_of_others();
    return 0;
}
