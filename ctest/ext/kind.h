/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds by description, for tests. */
#ifndef MEMKIND_CTEST_EXT_KIND_H
#define MEMKIND_CTEST_EXT_KIND_H

#include "ext.h"

#include <fcntl.h>
#include <stdint.h>

/* What a test wants of a kind; zeroes are how it is unless asked for otherwise. */
struct wanted {
    unsigned options;
    size_t limit;
    size_t page_size;
    bool required;
    size_t alignment;
    size_t slab_size;
    memkind_t fallback;
    const char *nodes;
    memkind_nodes_policy_t policy;
    int (*exhausted)(void *context, memkind_t kind, size_t size);
    void *context;
};

static inline int create_wanted(const struct wanted *wanted, memkind_t *kind)
{
    struct memkind_config *config = memkind_config_new();
    int code;

    CHECK_NOT_NULL(config);
    memkind_config_set_options(config, wanted->options);
    memkind_config_set_size(config, wanted->limit);
    memkind_config_set_page_size(config, wanted->page_size, wanted->required);
    memkind_config_set_alignment(config, wanted->alignment);
    memkind_config_set_slab_size(config, wanted->slab_size);
    memkind_config_set_fallback(config, wanted->fallback);
    memkind_config_set_nodes(config, wanted->nodes, wanted->policy);
    memkind_config_set_exhausted(config, wanted->exhausted, wanted->context);
    code = memkind_create_with_config(config, kind);
    memkind_config_delete(config);
    return code;
}

static inline memkind_t make_wanted(struct wanted wanted)
{
    memkind_t kind = NULL;

    CHECK_INT(0, create_wanted(&wanted, &kind));
    CHECK_NOT_NULL(kind);
    return kind;
}

static inline struct memkind_usage usage_of(memkind_t kind)
{
    struct memkind_usage usage;

    CHECK_INT(0, memkind_get_usage(kind, &usage, sizeof(usage)));
    return usage;
}

/* The number of the page frame behind an address; 0 if there is none, or the kernel does not tell. */
static inline uint64_t frame_of(const void *address)
{
    uint64_t entry = 0;
    int file = open("/proc/self/pagemap", O_RDONLY);

    CHECK(file >= 0);
    CHECK_INT(8, pread(file, &entry, 8, (off_t)((uintptr_t)address / 4096 * 8)));
    close(file);
    return entry >> 63 ? entry & ((UINT64_C(1) << 55) - 1) : 0;
}

#endif
