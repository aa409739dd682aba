/* SPDX-License-Identifier: BSD-2-Clause */
/* Every exported kind: X(variable, name in the kind, partition). */
#ifndef ABI_KINDS_H
#define ABI_KINDS_H

#define ALL_KINDS(X)                                                                                 \
    X(MEMKIND_DEFAULT, "memkind_default", 0)                                                         \
    X(MEMKIND_HBW, "memkind_hbw", 1)                                                                 \
    X(MEMKIND_HBW_HUGETLB, "memkind_hbw_hugetlb", 2)                                                 \
    X(MEMKIND_HBW_PREFERRED, "memkind_hbw_preferred", 3)                                             \
    X(MEMKIND_HBW_PREFERRED_HUGETLB, "memkind_hbw_preferred_hugetlb", 4)                             \
    X(MEMKIND_HUGETLB, "memkind_hugetlb", 5)                                                         \
    X(MEMKIND_HBW_GBTLB, "memkind_hbw_gbtlb", 6)                                                     \
    X(MEMKIND_HBW_PREFERRED_GBTLB, "memkind_hbw_preferred_gbtlb", 7)                                 \
    X(MEMKIND_GBTLB, "memkind_gbtlb", 8)                                                             \
    X(MEMKIND_HBW_INTERLEAVE, "memkind_hbw_interleave", 9)                                           \
    X(MEMKIND_INTERLEAVE, "memkind_interleave", 10)                                                  \
    X(MEMKIND_REGULAR, "memkind_regular", 11)                                                        \
    X(MEMKIND_HBW_ALL, "memkind_hbw_all", 12)                                                        \
    X(MEMKIND_HBW_ALL_HUGETLB, "memkind_hbw_all_hugetlb", 13)                                        \
    X(MEMKIND_DAX_KMEM, "memkind_dax_kmem", 14)                                                      \
    X(MEMKIND_DAX_KMEM_ALL, "memkind_dax_kmem_all", 15)                                              \
    X(MEMKIND_DAX_KMEM_PREFERRED, "memkind_dax_kmem_preferred", 16)                                  \
    X(MEMKIND_DAX_KMEM_INTERLEAVE, "memkind_dax_kmem_interleave", 17)                                \
    X(MEMKIND_HIGHEST_CAPACITY, "memkind_highest_capacity", 18)                                      \
    X(MEMKIND_HIGHEST_CAPACITY_PREFERRED, "memkind_highest_capacity_preferred", 19)                  \
    X(MEMKIND_HIGHEST_CAPACITY_LOCAL, "memkind_highest_capacity_local", 20)                          \
    X(MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED, "memkind_highest_capacity_local_preferred", 21)      \
    X(MEMKIND_LOWEST_LATENCY_LOCAL, "memkind_lowest_latency_local", 22)                              \
    X(MEMKIND_LOWEST_LATENCY_LOCAL_PREFERRED, "memkind_lowest_latency_local_preferred", 23)          \
    X(MEMKIND_HIGHEST_BANDWIDTH_LOCAL, "memkind_highest_bandwidth_local", 24)                        \
    X(MEMKIND_HIGHEST_BANDWIDTH_LOCAL_PREFERRED, "memkind_highest_bandwidth_local_preferred", 25)

#endif
