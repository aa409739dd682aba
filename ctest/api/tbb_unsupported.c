/* SPDX-License-Identifier: BSD-2-Clause */
/* What pools of TBB have no counterpart of: the codes and the messages. Statistics of kinds that jemalloc
 * manages are there all the same; the original has values of the past for MEMKIND_DEFAULT, and an error for
 * the others. */
#include "tbb.h"

static int use(void)
{
    size_t value = 77;

    CHECK_INT(0, memkind_get_stat(MEMKIND_REGULAR, MEMKIND_STAT_TYPE_ACTIVE, &value));
    CHECK_INT(0, value);
    skip_first_block(MEMKIND_REGULAR);
    void *const block = memkind_malloc(MEMKIND_REGULAR, 5000);
    CHECK_NOT_NULL(block);
    void *const own = memkind_malloc(MEMKIND_DEFAULT, MIB);
    CHECK_NOT_NULL(own);
    printf("%d\n", memkind_update_cached_stats());
    printf("%d\n", memkind_get_stat(NULL, MEMKIND_STAT_TYPE_ACTIVE, &value));
    printf("%d\n", memkind_get_stat(MEMKIND_REGULAR, MEMKIND_STAT_TYPE_ACTIVE, &value));
    CHECK_INT(0, value);
    CHECK_INT(0, memkind_get_stat(MEMKIND_DEFAULT, MEMKIND_STAT_TYPE_ALLOCATED, &value));
    if (!original()) {
        CHECK(value >= MIB);
    }
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_get_stat(MEMKIND_REGULAR, MEMKIND_STAT_TYPE_MAX_VALUE, &value));
    printf("%d\n", memkind_stats_print(NULL, NULL, MEMKIND_STAT_PRINT_OMIT_GENERAL));
    printf("%d\n", memkind_set_bg_threads(true));
    printf("%d\n", memkind_set_bg_threads(false));
    CHECK_NULL(memkind_defrag_reallocate(MEMKIND_REGULAR, block));
    return 0;
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        setvbuf(stdout, NULL, _IONBF, 0);
        return use();
    }
    need_tbb();
    CHECK_OUTPUT(0, "-21\n-21\n-21\n-21\n-21\n-21\n", "use", ENV("MEMKIND_HEAP_MANAGER=TBB"));
    CHECK_OUTPUT(0,
                 "MEMKIND_INFO: Initializing kind memkind_regular.\n"
                 "MEMKIND_ERROR: Update cached statistics is not supported by TBB\n-21\n"
                 "MEMKIND_ERROR: Get allocator statistic is not supported by TBB\n-21\n"
                 "MEMKIND_ERROR: Get kind statistic is not supported by TBB\n-21\n"
                 "MEMKIND_ERROR: Unrecognized type of memory statistic 3\n"
                 "MEMKIND_ERROR: Malloc stats print is not supported in TBB\n-21\n"
                 "MEMKIND_ERROR: Setting background threads is not supported by TBB\n-21\n"
                 "MEMKIND_ERROR: Setting background threads is not supported by TBB\n-21\n"
                 "MEMKIND_ERROR: Defrag reallocate method is not supported by TBB\n",
                 "use", ENV("MEMKIND_HEAP_MANAGER=TBB", "MEMKIND_DEBUG=1"));
    return 0;
}
