/* SPDX-License-Identifier: BSD-2-Clause */
/* The head of `struct memkind`, of a file-backed kind's private record and of `struct memkind_config`,
 * read at the offsets that programs and debuggers compiled for the original read them at. Holds for the
 * original too. */
#include "kinds.h"

#include <fcntl.h>
#include <memkind.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KIND_OPS = 0,
    KIND_PARTITION = 8,
    KIND_NAME = 12,
    KIND_NAME_SIZE = 64,
    KIND_PRIV = 104,
    KIND_ZERO_ALLOCS = 120,
    OPS_INIT_ONCE = 120,
    PMEM_FD = 0,
    PMEM_MAX_SIZE = 16,
    PMEM_DIR = 72,
    CONFIG_DIR = 0,
    CONFIG_SIZE = 8,
    CONFIG_POLICY = 16,
};

static int failures;

static void check(int good, const char *what, const char *kind)
{
    if (!good) {
        fprintf(stderr, "%s: wrong %s\n", kind, what);
        failures++;
    }
}

static uint32_t u32(const void *base, size_t offset)
{
    uint32_t value;
    memcpy(&value, (const char *)base + offset, sizeof(value));
    return value;
}

static size_t word(const void *base, size_t offset)
{
    size_t value;
    memcpy(&value, (const char *)base + offset, sizeof(value));
    return value;
}

static const void *pointer(const void *base, size_t offset)
{
    return (const void *)word(base, offset);
}

static void check_head(const void *kind, const char *name, uint32_t partition)
{
    const void *ops = pointer(kind, KIND_OPS);

    check(u32(kind, KIND_PARTITION) == partition, "partition", name);
    check(memchr((const char *)kind + KIND_NAME, '\0', KIND_NAME_SIZE) != NULL &&
              strcmp((const char *)kind + KIND_NAME, name) == 0,
          "name", name);
    check(ops != NULL && pointer(ops, OPS_INIT_ONCE) != NULL, "ops", name);
    check(((const char *)kind)[KIND_ZERO_ALLOCS] == 0, "allow_zero_allocs", name);
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : "/tmp";
    const size_t size = MEMKIND_PMEM_MIN_SIZE;
    memkind_t kind = NULL;

#define CHECK_HEAD(variable, name, partition) check_head(variable, name, partition);
    ALL_KINDS(CHECK_HEAD)

    const int error = memkind_create_pmem(dir, size, &kind);
    if (error != 0) {
        fprintf(stderr, "memkind_create_pmem in %s: error %d\n", dir, error);
        return 1;
    }
    const void *pmem = pointer(kind, KIND_PRIV);
    check(pmem != NULL, "priv", "pmem");
    check(u32(kind, KIND_PARTITION) >= MEMKIND_NUM_BASE_KIND, "partition", "pmem");
    if (pmem != NULL) {
        check(fcntl((int)u32(pmem, PMEM_FD), F_GETFD) >= 0, "fd", "pmem");
        check(word(pmem, PMEM_MAX_SIZE) == size, "max_size", "pmem");
        check(pointer(pmem, PMEM_DIR) != NULL && strcmp(pointer(pmem, PMEM_DIR), dir) == 0, "dir", "pmem");
    }
    memkind_destroy_kind(kind);

    struct memkind_config *config = memkind_config_new();
    memkind_config_set_path(config, dir);
    memkind_config_set_size(config, size + 4096);
    memkind_config_set_memory_usage_policy(config, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    check(pointer(config, CONFIG_DIR) == dir, "pmem_dir", "config");
    check(word(config, CONFIG_SIZE) == size + 4096, "pmem_size", "config");
    check(u32(config, CONFIG_POLICY) == MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE, "policy", "config");
    memkind_config_delete(config);
    return failures != 0;
}
