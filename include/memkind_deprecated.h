/*
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Names that only old programs use. memkind.h includes this header.
 */

#pragma once

#include "memkind.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Marks the declaration of a function as deprecated. */
#ifndef MEMKIND_DEPRECATED
#ifdef __GNUC__
#define MEMKIND_DEPRECATED(declaration) declaration __attribute__((deprecated))
#else
#define MEMKIND_DEPRECATED(declaration) declaration
#endif
#endif

/** Deprecated: high-bandwidth memory in huge pages, mapped in whole GiB. */
extern memkind_t MEMKIND_HBW_GBTLB;
/** Deprecated: as MEMKIND_HBW_GBTLB, from other nodes when those are full. */
extern memkind_t MEMKIND_HBW_PREFERRED_GBTLB;
/** Deprecated: ordinary memory in huge pages, mapped in whole GiB. */
extern memkind_t MEMKIND_GBTLB;

/** Deprecated: the numbers of the static kinds. Use the variables, such as MEMKIND_HBW. */
enum memkind_base_partition {
    MEMKIND_PARTITION_DEFAULT = 0,
    MEMKIND_PARTITION_HBW = 1,
    MEMKIND_PARTITION_HBW_HUGETLB = 2,
    MEMKIND_PARTITION_HBW_PREFERRED = 3,
    MEMKIND_PARTITION_HBW_PREFERRED_HUGETLB = 4,
    MEMKIND_PARTITION_HUGETLB = 5,
    MEMKIND_PARTITION_HBW_GBTLB = 6,
    MEMKIND_PARTITION_HBW_PREFERRED_GBTLB = 7,
    MEMKIND_PARTITION_GBTLB = 8,
    MEMKIND_PARTITION_HBW_INTERLEAVE = 9,
    MEMKIND_PARTITION_INTERLEAVE = 10,
    MEMKIND_PARTITION_REGULAR = 11,
    MEMKIND_PARTITION_HBW_ALL = 12,
    MEMKIND_PARTITION_HBW_ALL_HUGETLB = 13,
    MEMKIND_PARTITION_DAX_KMEM = 14,
    MEMKIND_PARTITION_DAX_KMEM_ALL = 15,
    MEMKIND_PARTITION_DAX_KMEM_PREFERRED = 16,
    MEMKIND_PARTITION_DAX_KMEM_INTERLEAVE = 17,
    MEMKIND_PARTITION_HIGHEST_CAPACITY = 18,
    MEMKIND_PARTITION_HIGHEST_CAPACITY_PREFERRED = 19,
    MEMKIND_PARTITION_HIGHEST_CAPACITY_LOCAL = 20,
    MEMKIND_PARTITION_HIGHEST_CAPACITY_LOCAL_PREFERRED = 21,
    MEMKIND_PARTITION_LOWEST_LATENCY_LOCAL = 22,
    MEMKIND_PARTITION_LOWEST_LATENCY_LOCAL_PREFERRED = 23,
    MEMKIND_PARTITION_HIGHEST_BANDWIDTH_LOCAL = 24,
    MEMKIND_PARTITION_HIGHEST_BANDWIDTH_LOCAL_PREFERRED = 25,
    /** How many there are; kinds made at run time have this number or a higher one. */
    MEMKIND_NUM_BASE_KIND = 26
};

/**
 * Deprecated: finds a kind by its number.
 *
 * \param partition a number of enum memkind_base_partition, or of a kind made at run time
 * \param kind where to write the kind
 * \return 0, or MEMKIND_ERROR_UNAVAILABLE when there is no such kind
 */
int MEMKIND_DEPRECATED(memkind_get_kind_by_partition(int partition, memkind_t *kind));

#ifdef __cplusplus
} /* extern "C" */
#endif
