/* SPDX-License-Identifier: BSD-2-Clause */
/* The exact messages under MEMKIND_DEBUG=1, one call a case. */
#include "machine.h"
#include "output.h"

#include <hbwmalloc.h>
#include <sys/mman.h>

/* Where no mapping is, so that the name of a kind made from it is known. */
#define AREA ((void *)0x100000000000)
#define AREA_SIZE (64 * KIB)

static memkind_t kind;
static size_t value;

static void pmem_too_small(void)
{
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_pmem(test_dir(), 4096, &kind));
}

static void pmem_no_directory(void)
{
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_pmem("/nonexistent", 0, &kind));
}

static void pmem_long_path(void)
{
    static char path[5000];

    memset(path, 'a', sizeof(path) - 1);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_pmem(path, 0, &kind));
}

static void pmem_bad_policy(void)
{
    struct memkind_config *config = memkind_config_new();

    memkind_config_set_path(config, test_dir());
    memkind_config_set_size(config, 0);
    memkind_config_set_memory_usage_policy(config, (memkind_mem_usage_policy)7);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_pmem_with_config(config, &kind));
    memkind_config_delete(config);
}

static void pmem_used(void)
{
    kind = make_pmem(test_dir(), 0);
    CHECK_NOT_NULL(memkind_malloc(kind, 100));
    CHECK_INT(0, memkind_destroy_kind(kind));
}

static void dax_path(void)
{
    CHECK_INT(MEMKIND_ERROR_RUNTIME, memkind_check_dax_path("/nonexistent"));
}

static void stat_type(void)
{
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_get_stat(NULL, (memkind_stat_type)9, &value));
}

static void stat_not_updated(void)
{
    CHECK_NOT_NULL(memkind_malloc(MEMKIND_REGULAR, 100));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_get_stat(MEMKIND_REGULAR, MEMKIND_STAT_TYPE_ACTIVE, &value));
}

static void print_options(void)
{
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_stats_print(NULL, NULL, (memkind_stat_print_opt)4096));
}

static void capacity_preferred(void)
{
    CHECK_INT(-1, memkind_get_capacity(MEMKIND_HBW_PREFERRED));
}

static void fixed_twice(void)
{
    CHECK_PTR(AREA, mmap(AREA, AREA_SIZE, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
    CHECK_INT(0, memkind_create_fixed(AREA, AREA_SIZE, &kind));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_fixed(AREA, AREA_SIZE, &kind));
}

static void hbw_unavailable(void)
{
    CHECK_INT(MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE, memkind_check_available(MEMKIND_HBW));
}

static void hbw_zero_bytes(void)
{
    CHECK_NULL(memkind_malloc(MEMKIND_HBW, 0));
}

static void latency_unavailable(void)
{
    CHECK_INT(MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE, memkind_check_available(MEMKIND_LOWEST_LATENCY_LOCAL));
}

static void dax_unavailable(void)
{
    CHECK_NULL(memkind_malloc(MEMKIND_DAX_KMEM, 100));
}

static void memtype_unavailable(void)
{
    CHECK_INT(MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE,
              memkind_create_kind(MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_BIND_LOCAL, 0, &kind));
}

static void memtype_unknown(void)
{
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_kind(0, MEMKIND_POLICY_BIND_LOCAL, 0, &kind));
}

static void policy_unsupported(void)
{
    CHECK_INT(MEMKIND_ERROR_INVALID,
              memkind_create_kind(MEMKIND_MEMTYPE_DEFAULT, MEMKIND_POLICY_BIND_LOCAL, 0, &kind));
}

static void flag_unsupported(void)
{
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_kind(MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_INTERLEAVE_ALL,
                                                         MEMKIND_MASK_PAGE_SIZE_2MB, &kind));
}

static void interleave_huge(void)
{
    void *block = NULL;

    CHECK_INT(0, hbw_set_policy(HBW_POLICY_INTERLEAVE));
    CHECK_INT(EINVAL, hbw_posix_memalign_psize(&block, 64, 100, HBW_PAGESIZE_2MB));
}

#define HBW_SKIPPED "MEMKIND_INFO: Node skipped - cannot read initiator Node 0 and target Node 0.\n"
#define NO_HBW HBW_SKIPPED "MEMKIND_ERROR: No HBW Nodes for init node 0.\n"

static const struct {
    void (*call)(void);
    const char *variable, *text;
} cases[] = {
    {pmem_too_small, NULL, "MEMKIND_ERROR: Cannot create pmem: invalid size: 4096 - size must be equal 0 or greater "
                           "than or equal to MEMKIND_PMEM_MIN_SIZE\n"},
    {pmem_no_directory, NULL, "MEMKIND_ERROR: Could not create temporary file: errno=2.\n"},
    {pmem_long_path, NULL, "MEMKIND_ERROR: Could not create temporary file: too long path.\n"},
    {pmem_bad_policy, NULL, "MEMKIND_ERROR: Unrecognized memory policy 7\n"},
    {pmem_used, NULL, ""},
    {dax_path, NULL, "MEMKIND_ERROR: Could not create temporary file: errno=2.\n"},
    {stat_type, NULL, "MEMKIND_ERROR: Unrecognized type of memory statistic 9\n"},
    {stat_not_updated, NULL, "MEMKIND_INFO: Initializing kind memkind_regular.\n"
                             "MEMKIND_ERROR: Error on getting arena statistic.\n"},
    {print_options, NULL, "MEMKIND_ERROR: Printing statistics failed. Unsupported options '4096'\n"},
    {capacity_preferred, NULL,
     "MEMKIND_ERROR: memkind_get_capacity() failed. memkind_hbw_preferred kind is not supported.\n"},
    {fixed_twice, NULL, "MEMKIND_ERROR: Kind with the name fixed0x100000000000 already exists\n"},
    {hbw_unavailable, NULL, NO_HBW},
    {hbw_zero_bytes, NULL, "MEMKIND_INFO: Initializing kind memkind_hbw.\n"},
    {latency_unavailable, NULL, HBW_SKIPPED "MEMKIND_ERROR: No memory attribute Nodes for init node 0.\n"},
    {dax_unavailable, NULL, "MEMKIND_INFO: Initializing kind memkind_dax_kmem.\n"},
    {memtype_unavailable, NULL, NO_HBW "MEMKIND_ERROR: Cannot create kind: requested memory type is not available.\n"},
    {memtype_unknown, NULL, "MEMKIND_ERROR: Cannot create kind: incorrect memtype_flags.\n"},
    {policy_unsupported, NULL, "MEMKIND_ERROR: Cannot create kind: unsupported set of capabilities.\n"},
    {flag_unsupported, NULL, "MEMKIND_ERROR: Cannot create kind: unsupported set of capabilities.\n"},
    {interleave_huge, NULL, "MEMKIND_ERROR: HBW_POLICY_INTERLEAVE is unsupported with used page size!\n"},
    {hbw_unavailable, "MEMKIND_HBW_THRESHOLD=1",
     "MEMKIND_INFO: Environment variable MEMKIND_HBW_THRESHOLD detected: 1.\n" NO_HBW},
};

int main(int argc, char **argv)
{
    if (argc > 1) {
        cases[atoi(argv[1])].call();
        return 0;
    }
    if (!one_node() || has_memory_attributes()) {
        SKIP("the expected messages are those of one node without memory attributes");
    }
    const bool with_hwloc = has_hwloc();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char number[16];

        if (strstr(cases[i].text, HBW_SKIPPED) != NULL && !with_hwloc) {
            continue;
        }
        snprintf(number, sizeof(number), "%zu", i);
        CHECK_OUTPUT(0, cases[i].text, number, ENV("MEMKIND_DEBUG=1", cases[i].variable));
    }
    return 0;
}
