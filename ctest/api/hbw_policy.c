/* SPDX-License-Identifier: BSD-2-Clause */
/* hbw_set_policy: the first valid call, or the first allocation, decides for the process. Codes are
 * returned and errno is left alone; the default is HBW_POLICY_PREFERRED. */
#include "check.h"

#include <hbwmalloc.h>

static const hbw_policy_t policies[] = {HBW_POLICY_BIND, HBW_POLICY_PREFERRED, HBW_POLICY_INTERLEAVE,
                                        HBW_POLICY_BIND_ALL};

static void check_invalid(hbw_policy_t current)
{
    static const int invalid[] = {0, 5, 6, 0xFF, -1};

    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
        CHECK_INT(EINVAL, hbw_set_policy((hbw_policy_t)invalid[i]));
        CHECK_INT(current, hbw_get_policy());
    }
}

static void check_frozen(hbw_policy_t current)
{
    errno = EILSEQ;
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        CHECK_INT(policies[i] == current ? 0 : EPERM, hbw_set_policy(policies[i]));
        CHECK_INT(current, hbw_get_policy());
    }
    check_invalid(current);
    CHECK_INT(EILSEQ, errno);
}

/* By number: what freezes the default policy. */
static void allocate(char how)
{
    void *block = NULL;

    switch (how) {
    case '0':
        block = hbw_malloc(100);
        break;
    case '1':
        block = hbw_calloc(10, 10);
        break;
    case '2':
        block = hbw_realloc(NULL, 100);
        break;
    case '3':
        CHECK_INT(0, hbw_posix_memalign(&block, 64, 100));
        break;
    default:
        CHECK_INT(0, hbw_posix_memalign_psize(&block, 4096, 100, HBW_PAGESIZE_4KB));
        break;
    }
    CHECK_NOT_NULL(block);
    hbw_free(block);
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        static const char *const runs[] = {"p1", "p2", "p3", "p4", "a0", "a1", "a2", "a3", "a4"};
        for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
            CHECK_CHILD(run_again(runs[i], NULL));
            CHECK_CHILD(run_again(runs[i], node_0_for_all_kinds));
        }
        return 0;
    }
    check_context = argv[1];
    CHECK_INT(HBW_POLICY_PREFERRED, hbw_get_policy());
    errno = EILSEQ;
    check_invalid(HBW_POLICY_PREFERRED);
    CHECK_INT(EILSEQ, errno);
    if (argv[1][0] == 'p') {
        const hbw_policy_t policy = (hbw_policy_t)(argv[1][1] - '0');
        CHECK_INT(0, hbw_set_policy(policy));
        check_frozen(policy);
    } else {
        allocate(argv[1][1]);
        check_frozen(HBW_POLICY_PREFERRED);
    }
    return 0;
}
