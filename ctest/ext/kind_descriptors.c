/* SPDX-License-Identifier: BSD-2-Clause */
/* Without a descriptor left the sizes of huge pages cannot be read: that is no reason to say that there are none. The next
 * call tries again. */
#include "kind.h"

#include <sys/resource.h>

int main(void)
{
    struct wanted wanted = {.page_size = 2 * MIB, .required = true};
    const memkind_t untouched = (memkind_t)&wanted;
    memkind_t kind = untouched;
    struct rlimit before;
    int at_first;

    at_first = create_wanted(&wanted, &kind);
    if (at_first != MEMKIND_SUCCESS && at_first != MEMKIND_ERROR_HUGETLB)
        SKIP("the kernel has no huge pages of 2 MiB");
    if (at_first == MEMKIND_SUCCESS)
        CHECK_INT(0, memkind_destroy_kind(kind));

    CHECK_INT(0, getrlimit(RLIMIT_NOFILE, &before));
    CHECK_INT(0, setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, before.rlim_max}));
    for (int required = 0; required < 2; required++) {
        kind = untouched;
        wanted.required = required;
        CHECK_INT(MEMKIND_ERROR_OPERATION_FAILED, create_wanted(&wanted, &kind));
        CHECK_PTR(untouched, kind);
    }
    CHECK_INT(0, setrlimit(RLIMIT_NOFILE, &before));
    CHECK_INT(at_first, create_wanted(&wanted, &kind));
    return 0;
}
