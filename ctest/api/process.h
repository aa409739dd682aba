/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory and addresses of this process, in bytes, its page faults, and the limit on its addresses. */
#ifndef MEMKIND_CTEST_PROCESS_H
#define MEMKIND_CTEST_PROCESS_H

#include "check.h"

#include <sys/resource.h>

/* The field of /proc/self/statm with this index, a number of pages, in bytes. */
static inline size_t statm_bytes(size_t index)
{
    size_t pages[2] = {0};
    FILE *file = fopen("/proc/self/statm", "r");

    CHECK_NOT_NULL(file);
    CHECK_INT(2, fscanf(file, "%zu %zu", &pages[0], &pages[1]));
    fclose(file);
    return pages[index] * (size_t)sysconf(_SC_PAGESIZE);
}

/* Bytes of addresses that the process has mapped. */
static inline size_t address_space(void)
{
    return statm_bytes(0);
}

/* Bytes of the process's pages that are in memory. */
static inline size_t resident_memory(void)
{
    return statm_bytes(1);
}

/* How often the process has touched a page that was not there. */
static inline long n_faults(void)
{
    struct rusage usage;

    CHECK_INT(0, getrusage(RUSAGE_SELF, &usage));
    return usage.ru_minflt;
}

/* Sets the soft limit on the process's addresses (RLIMIT_AS), in bytes. */
static inline void limit_address_space(rlim_t bytes)
{
    struct rlimit limit;

    CHECK_INT(0, getrlimit(RLIMIT_AS, &limit));
    limit.rlim_cur = bytes;
    CHECK_INT(0, setrlimit(RLIMIT_AS, &limit));
}

/* Skips where a hard limit on addresses would not let limit_address_space(RLIM_INFINITY) pass. */
static inline void need_unlimited_address_space(void)
{
    struct rlimit limit;

    CHECK_INT(0, getrlimit(RLIMIT_AS, &limit));
    if (limit.rlim_max != RLIM_INFINITY) {
        SKIP("RLIMIT_AS is limited already");
    }
}

#endif
