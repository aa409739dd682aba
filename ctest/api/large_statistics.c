/* SPDX-License-Identifier: BSD-2-Clause */
/* Statistics know blocks above 8 MiB to the page: live ones are allocated and active, freed ones that are kept are
 * resident, for the kind and for all; and the figures are those of the last snapshot. */
#include "check.h"

static const memkind_stat_type types[] = {
    MEMKIND_STAT_TYPE_ALLOCATED, MEMKIND_STAT_TYPE_ACTIVE, MEMKIND_STAT_TYPE_RESIDENT};

enum { ALLOCATED, ACTIVE, RESIDENT, N_TYPES };

static void read_stats(memkind_t kind, size_t stats[N_TYPES])
{
    for (size_t i = 0; i < N_TYPES; i++) {
        CHECK_INT(0, memkind_get_stat(kind, types[i], &stats[i]));
    }
}

/* The library's own memory is resident, too, and changes a little. */
static void check_more(const size_t before[N_TYPES], const size_t now[N_TYPES], size_t more)
{
    CHECK_INT(before[ALLOCATED] + more, now[ALLOCATED]);
    CHECK_INT(before[ACTIVE] + more, now[ACTIVE]);
    CHECK(now[RESIDENT] + MIB >= before[RESIDENT] + more && now[RESIDENT] <= before[RESIDENT] + more + MIB);
}

static void check_kind(memkind_t kind, memkind_t asked)
{
    const size_t size = 33 * MIB + 1, page = (size_t)sysconf(_SC_PAGESIZE), usable = 33 * MIB + page, grown = 1000 * MIB + page;
    size_t before[N_TYPES], now[N_TYPES];

    memkind_free(kind, memkind_malloc(kind, 100));
    CHECK_INT(0, memkind_update_cached_stats());
    read_stats(asked, before);
    char *block = memkind_malloc(kind, size);
    CHECK_NOT_NULL(block);
    /* Not yet. */
    read_stats(asked, now);
    CHECK_INT(0, memcmp(before, now, sizeof(now)));
    CHECK_INT(0, memkind_update_cached_stats());
    read_stats(asked, now);
    check_more(before, now, usable);
    block = memkind_realloc(kind, block, grown);
    CHECK_NOT_NULL(block);
    CHECK_INT(0, memkind_update_cached_stats());
    read_stats(asked, now);
    check_more(before, now, grown);
    block = memkind_realloc(kind, block, size);
    memkind_free(kind, block);
    CHECK_INT(0, memkind_update_cached_stats());
    read_stats(asked, now);
    CHECK_INT(before[ALLOCATED], now[ALLOCATED]);
    CHECK_INT(before[ACTIVE], now[ACTIVE]);
    CHECK(now[RESIDENT] + MIB >= before[RESIDENT] + usable && now[RESIDENT] <= before[RESIDENT] + usable + MIB);
    /* What was kept is what the next block has. */
    block = memkind_malloc(kind, size);
    CHECK_INT(0, memkind_update_cached_stats());
    read_stats(asked, now);
    check_more(before, now, usable);
    memkind_free(kind, block);
}

int main(void)
{
    if (original()) {
        SKIP("the original's blocks have the size of a class");
    }
    check_kind(MEMKIND_DEFAULT, MEMKIND_DEFAULT);
    check_kind(MEMKIND_REGULAR, MEMKIND_REGULAR);
    check_kind(MEMKIND_INTERLEAVE, NULL);
    return 0;
}
