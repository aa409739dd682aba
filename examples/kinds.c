/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks for every kind of memory: is it here, how much is there, and if not, why not?
 *
 *     gcc -o kinds kinds.c $(pkg-config --cflags --libs memkind)
 */
#include <memkind.h>
#include <stdio.h>

#define KIND(name) {#name, &name}

static const struct {
    const char *name;
    memkind_t *kind;
} kinds[] = {
    KIND(MEMKIND_DEFAULT),
    KIND(MEMKIND_REGULAR),
    KIND(MEMKIND_INTERLEAVE),
    KIND(MEMKIND_HUGETLB),
    KIND(MEMKIND_HBW),
    KIND(MEMKIND_HBW_ALL),
    KIND(MEMKIND_HBW_PREFERRED),
    KIND(MEMKIND_HBW_INTERLEAVE),
    KIND(MEMKIND_HBW_HUGETLB),
    KIND(MEMKIND_HBW_ALL_HUGETLB),
    KIND(MEMKIND_HBW_PREFERRED_HUGETLB),
    KIND(MEMKIND_DAX_KMEM),
    KIND(MEMKIND_DAX_KMEM_ALL),
    KIND(MEMKIND_DAX_KMEM_PREFERRED),
    KIND(MEMKIND_DAX_KMEM_INTERLEAVE),
    KIND(MEMKIND_HIGHEST_CAPACITY),
    KIND(MEMKIND_HIGHEST_CAPACITY_PREFERRED),
    KIND(MEMKIND_HIGHEST_CAPACITY_LOCAL),
    KIND(MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED),
    KIND(MEMKIND_LOWEST_LATENCY_LOCAL),
    KIND(MEMKIND_LOWEST_LATENCY_LOCAL_PREFERRED),
    KIND(MEMKIND_HIGHEST_BANDWIDTH_LOCAL),
    KIND(MEMKIND_HIGHEST_BANDWIDTH_LOCAL_PREFERRED),
};

int main(void)
{
    char reason[MEMKIND_ERROR_MESSAGE_SIZE];

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const int error = memkind_check_available(*kinds[i].kind);
        if (error != 0) {
            memkind_error_message(error, reason, sizeof(reason));
            printf("%-42s no    %s\n", kinds[i].name, reason);
            continue;
        }
        /* A preferred kind may spill over to any node, so it has no capacity of its own. */
        const ssize_t capacity = memkind_get_capacity(*kinds[i].kind);
        if (capacity < 0) {
            printf("%-42s yes\n", kinds[i].name);
        } else {
            printf("%-42s yes   %zd MiB\n", kinds[i].name, capacity / (1024 * 1024));
        }
    }
    return 0;
}
