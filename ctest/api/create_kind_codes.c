/* SPDX-License-Identifier: BSD-2-Clause */
/* Every combination of memory type, policy and flags of memkind_create_kind: the static kind that it
 * names, what comes instead of one without memory, or MEMKIND_ERROR_INVALID. Once with what the machine
 * has, once with node 0 as high bandwidth memory. */
#include "check.h"

#define TWO_MB MEMKIND_MASK_PAGE_SIZE_2MB
#define ANY (MEMKIND_MEMTYPE_DEFAULT | MEMKIND_MEMTYPE_HIGH_BANDWIDTH)

static const struct valid {
    unsigned memtype, policy, flags;
    memkind_t *kind;
} valid[] = {
    {MEMKIND_MEMTYPE_DEFAULT, MEMKIND_POLICY_PREFERRED_LOCAL, 0, &MEMKIND_DEFAULT},
    {MEMKIND_MEMTYPE_DEFAULT, MEMKIND_POLICY_PREFERRED_LOCAL, TWO_MB, &MEMKIND_HUGETLB},
    {MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_BIND_LOCAL, 0, &MEMKIND_HBW},
    {MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_BIND_LOCAL, TWO_MB, &MEMKIND_HBW_HUGETLB},
    {MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_BIND_ALL, 0, &MEMKIND_HBW_ALL},
    {MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_BIND_ALL, TWO_MB, &MEMKIND_HBW_ALL_HUGETLB},
    {MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_PREFERRED_LOCAL, 0, &MEMKIND_HBW_PREFERRED},
    {MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_PREFERRED_LOCAL, TWO_MB, &MEMKIND_HBW_PREFERRED_HUGETLB},
    {MEMKIND_MEMTYPE_HIGH_BANDWIDTH, MEMKIND_POLICY_INTERLEAVE_ALL, 0, &MEMKIND_HBW_INTERLEAVE},
    {ANY, MEMKIND_POLICY_INTERLEAVE_ALL, 0, &MEMKIND_INTERLEAVE},
};

static memkind_t expected_kind(unsigned memtype, unsigned policy, unsigned flags)
{
    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
        if (valid[i].memtype == memtype && valid[i].policy == policy && valid[i].flags == flags) {
            return *valid[i].kind;
        }
    }
    return NULL;
}

static void check(unsigned memtype, unsigned policy, unsigned flags)
{
    static char name[64];
    memkind_t const untouched = (memkind_t)name;
    memkind_t expected = expected_kind(memtype, policy, flags);
    memkind_t kind = untouched;

    snprintf(name, sizeof(name), "memtype %u policy %u flags %u", memtype, policy, flags);
    check_context = name;
    int err = memkind_create_kind((memkind_memtype_t)memtype, (memkind_policy_t)policy,
                                  (memkind_bits_t)flags, &kind);
    if (expected == NULL) {
        CHECK_INT(MEMKIND_ERROR_INVALID, err);
        CHECK_PTR(untouched, kind);
        return;
    }
    /* A kind without memory: PREFERRED falls back, the others are an error. */
    if (memkind_check_available(expected) != 0) {
        if (policy != MEMKIND_POLICY_PREFERRED_LOCAL) {
            CHECK_INT(MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE, err);
            CHECK_PTR(untouched, kind);
            return;
        }
        expected = MEMKIND_DEFAULT;
    }
    CHECK_INT(0, err);
    CHECK_PTR(expected, kind);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(int argc, char **argv)
{
    static const unsigned flags[] = {0, TWO_MB, 1, 2, 4, 5, 8, 16, 20, 22, 64, 1u << 21, 1u << 31};

    (void)argv;
    if (argc == 1) {
        CHECK_CHILD(run_again("with node 0", node_0_for_all_kinds));
    }
    CHECK_INT(21, TWO_MB);
    CHECK_INT(1, MEMKIND_MEMTYPE_DEFAULT);
    CHECK_INT(2, MEMKIND_MEMTYPE_HIGH_BANDWIDTH);
    CHECK_INT(5, MEMKIND_POLICY_MAX_VALUE);
    for (unsigned memtype = 0; memtype < 9; memtype++) {
        for (unsigned policy = 0; policy < 8; policy++) {
            for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
                check(memtype, policy, flags[i]);
            }
        }
    }
    check(1u << 31, MEMKIND_POLICY_PREFERRED_LOCAL, 0);
    check(MEMKIND_MEMTYPE_DEFAULT, UINT32_MAX, 0);
    return 0;
}
