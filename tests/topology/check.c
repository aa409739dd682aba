/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asks the original library whether kinds are available on this very machine: a line
 * "NAME CODE" each, on standard error in order with the library's messages. Exit
 * status 77 when the library is not memkind 1.14.0.
 */
#include <memkind.h>
#include <stdio.h>

#define KIND(name) {#name, &MEMKIND_##name}

int main(void)
{
    static const struct {
        const char *name;
        memkind_t *kind;
    } kinds[] = {
        KIND(HBW), KIND(HBW_ALL), KIND(HBW_PREFERRED),
        KIND(DAX_KMEM), KIND(DAX_KMEM_ALL), KIND(DAX_KMEM_PREFERRED),
        KIND(HIGHEST_CAPACITY), KIND(HIGHEST_CAPACITY_PREFERRED),
        KIND(HIGHEST_CAPACITY_LOCAL), KIND(LOWEST_LATENCY_LOCAL), KIND(HIGHEST_BANDWIDTH_LOCAL),
        KIND(HUGETLB), KIND(HUGETLB), KIND(HBW_HUGETLB),
    };
    if (memkind_get_version() != 1014000)
        return 77;
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        fprintf(stderr, "%s %d\n", kinds[i].name, memkind_check_available(*kinds[i].kind));
    return 0;
}
