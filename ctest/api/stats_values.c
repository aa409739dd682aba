/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_get_stat: which kinds and types it knows, that values change only at an update, and how the
 * three types relate to each other and to what is allocated. */
#include "check.h"

static const memkind_stat_type types[] = {MEMKIND_STAT_TYPE_RESIDENT, MEMKIND_STAT_TYPE_ACTIVE,
                                          MEMKIND_STAT_TYPE_ALLOCATED};

static size_t stat_of(memkind_t kind, memkind_stat_type type)
{
    size_t value = SIZE_MAX;

    CHECK_INT(0, memkind_get_stat(kind, type, &value));
    CHECK(value != SIZE_MAX);
    return value;
}

static void check_code(int code, memkind_t kind)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        size_t value;
        CHECK_INT(code, memkind_get_stat(kind, types[i], &value));
    }
}

static void check_unknown_type(memkind_t kind)
{
    size_t value;

    for (int type = MEMKIND_STAT_TYPE_MAX_VALUE; type < MEMKIND_STAT_TYPE_MAX_VALUE + 3; type++) {
        CHECK_INT(MEMKIND_ERROR_INVALID, memkind_get_stat(kind, (memkind_stat_type)type, &value));
    }
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_get_stat(kind, (memkind_stat_type)-1, &value));
}

static void check_order(memkind_t kind)
{
    const size_t resident = stat_of(kind, MEMKIND_STAT_TYPE_RESIDENT);
    const size_t active = stat_of(kind, MEMKIND_STAT_TYPE_ACTIVE);

    CHECK_INT(0, active % 4096);
    CHECK(active >= stat_of(kind, MEMKIND_STAT_TYPE_ALLOCATED));
    CHECK(resident >= active);
}

/* `kind` must be unused. The sizes are too large for a cache to keep the blocks. */
static void check_growth(memkind_t kind)
{
    char *block = memkind_malloc(kind, MIB - 1);

    CHECK_NOT_NULL(block);
    CHECK_INT(0, memkind_update_cached_stats());
    CHECK_INT(MIB, stat_of(kind, MEMKIND_STAT_TYPE_ALLOCATED));
    check_order(kind);
    const size_t active = stat_of(kind, MEMKIND_STAT_TYPE_ACTIVE);
    const size_t all = stat_of(NULL, MEMKIND_STAT_TYPE_ALLOCATED);

    char *big = memkind_malloc(kind, 4 * MIB - 1);
    CHECK_NOT_NULL(big);
    CHECK_INT(MIB, stat_of(kind, MEMKIND_STAT_TYPE_ALLOCATED));
    CHECK_INT(active, stat_of(kind, MEMKIND_STAT_TYPE_ACTIVE));
    CHECK_INT(0, memkind_update_cached_stats());
    CHECK_INT(5 * MIB, stat_of(kind, MEMKIND_STAT_TYPE_ALLOCATED));
    CHECK(stat_of(kind, MEMKIND_STAT_TYPE_ACTIVE) >= active + 4 * MIB);
    CHECK(stat_of(NULL, MEMKIND_STAT_TYPE_ALLOCATED) >= all + 4 * MIB);
    check_order(kind);

    memkind_free(kind, big);
    CHECK_INT(5 * MIB, stat_of(kind, MEMKIND_STAT_TYPE_ALLOCATED));
    CHECK_INT(0, memkind_update_cached_stats());
    CHECK_INT(MIB, stat_of(kind, MEMKIND_STAT_TYPE_ALLOCATED));
    CHECK_INT(active, stat_of(kind, MEMKIND_STAT_TYPE_ACTIVE));
    memkind_free(kind, block);
    CHECK_INT(0, memkind_update_cached_stats());
    CHECK_INT(0, stat_of(kind, MEMKIND_STAT_TYPE_ALLOCATED));
}

int main(void)
{
    CHECK_INT(0, memkind_update_cached_stats());
    check_code(0, NULL);
    check_code(0, MEMKIND_DEFAULT);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        CHECK_INT(0, stat_of(MEMKIND_REGULAR, types[i]));
    }

    void *block = memkind_malloc(MEMKIND_REGULAR, 200000);
    CHECK_NOT_NULL(block);
    check_code(MEMKIND_ERROR_INVALID, MEMKIND_REGULAR);
    CHECK_INT(0, memkind_update_cached_stats());
    check_code(0, MEMKIND_REGULAR);
    memkind_free(MEMKIND_REGULAR, block);

    memkind_t pmem = make_pmem(test_dir(), 32 * MIB);
    check_growth(MEMKIND_INTERLEAVE);
    check_growth(pmem);
    check_unknown_type(NULL);
    check_unknown_type(MEMKIND_DEFAULT);
    check_unknown_type(MEMKIND_REGULAR);
    check_unknown_type(pmem);
    CHECK_INT(0, memkind_destroy_kind(pmem));

    block = memkind_malloc(MEMKIND_DEFAULT, 3 * MIB);
    const size_t before = stat_of(MEMKIND_DEFAULT, MEMKIND_STAT_TYPE_ALLOCATED);
    CHECK_INT(0, memkind_update_cached_stats());
    CHECK(stat_of(MEMKIND_DEFAULT, MEMKIND_STAT_TYPE_ALLOCATED) >= before + 3 * MIB);
    check_order(MEMKIND_DEFAULT);
    check_order(NULL);
    memkind_free(MEMKIND_DEFAULT, block);
    return 0;
}
