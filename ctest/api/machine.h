/* SPDX-License-Identifier: BSD-2-Clause */
/* Facts about the machine, which say whether a test can be run on it. */
#ifndef MEMKIND_CTEST_MACHINE_H
#define MEMKIND_CTEST_MACHINE_H

#include "check.h"
#include "output.h"

/* The first line of a file, "" if there is none. The result is valid until the next call. */
static inline const char *first_line(const char *path)
{
    static char line[256];
    FILE *file = fopen(path, "r");

    line[0] = '\0';
    if (file != NULL) {
        if (fgets(line, sizeof(line), file) != NULL) {
            line[strcspn(line, "\n")] = '\0';
        }
        fclose(file);
    }
    return line;
}

static inline bool one_node(void)
{
    return strcmp(first_line("/sys/devices/system/node/has_memory"), "0") == 0;
}

/* A figure of /proc/meminfo or /proc/self/status that is in kB there, in bytes; 0 if it is missing. */
static inline size_t proc_bytes(const char *path, const char *name)
{
    char line[256];
    size_t kib = 0;
    FILE *file = fopen(path, "r");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            sscanf(line + strlen(name), ": %zu", &kib);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return kib * KIB;
}

static inline size_t meminfo(const char *name)
{
    return proc_bytes("/proc/meminfo", name);
}

/* Bytes of the machine's memory that this process has or could have. */
static inline size_t memory_within_reach(void)
{
    return meminfo("MemAvailable") + meminfo("SwapFree") + proc_bytes("/proc/self/status", "VmRSS");
}

/* For a test that has just missed memory: skips it if other programs have taken more than `room` bytes since
 * `before` bytes were within reach. */
static inline void skip_if_others_took(size_t before, size_t room)
{
    const size_t now = memory_within_reach();

    if (now + room < before) {
        SKIP("other programs took %zu of %zu MiB meanwhile", (before - now) / MIB, before / MIB);
    }
}

/* For a test of full nodes, which runs in a child where memory is counted and all nodes are high-bandwidth memory: true
 * in that child; false in the parent, after the child has passed. */
static inline bool is_counted(int argc)
{
    if (argc == 1) {
        CHECK_CHILD(run_again("x", ENV("MEMKIND_OVERCOMMIT", "MEMKIND_HBW_NODES=all")));
        return false;
    }
    if (original()) {
        SKIP("memory is not counted");
    }
    return true;
}

/* Skips where bound kinds cannot be had, or the kernel refuses mappings by a count of its own. */
static inline void need_bound_kinds(void)
{
    if (*first_line("/proc/sys/vm/overcommit_memory") == '2') {
        SKIP("the kernel counts mappings itself");
    }
    if (memkind_check_available(MEMKIND_HBW_ALL) != 0) {
        SKIP("no policy can be set here");
    }
}

/* With memory attributes (HMAT) the answers for HBW and the *_LOCAL kinds depend on the machine. */
static inline bool has_memory_attributes(void)
{
    return access("/sys/devices/system/node/node0/access0/initiators/read_bandwidth", F_OK) == 0;
}

/* Without libhwloc, or in a program that cannot load libraries, bandwidth and latency are unknown. */
static inline bool has_hwloc(void)
{
    void *library = dlopen("libhwloc.so.15", RTLD_LAZY);

    if (library != NULL) {
        dlclose(library);
    }
    return library != NULL;
}

/* Skips a test where libhwloc cannot be loaded. For a child, so that it stays loaded nowhere. */
static inline void need_hwloc(void)
{
    if (!has_hwloc()) {
        SKIP("no libhwloc can be loaded");
    }
}

static inline bool has_huge_pages(void)
{
    static const char *const counts[] = {"nr_hugepages", "nr_overcommit_hugepages"};
    char path[128];

    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-2048kB/%s", counts[i]);
        if (strtoul(first_line(path), NULL, 10) > 0) {
            return true;
        }
    }
    return false;
}

#endif
