/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "worker.h"

/* A function or variable of whichever library was loaded with the program. */
static void *symbol(const char *name)
{
    void *address = dlsym(RTLD_DEFAULT, name);
    if (address == NULL) {
        fatal("no %s here: is the library in LD_PRELOAD?", name);
    }
    return address;
}

/* Bytes of the kinds that have a size. */
#define AREA ((size_t)4 << 30)

static void *make_kind(const char *name)
{
    static const struct {
        const char *name, *variable;
    } fixed_names[] = {
        {"default", "MEMKIND_DEFAULT"},
        {"regular", "MEMKIND_REGULAR"},
        {"hbw", "MEMKIND_HBW"},
        {"interleave", "MEMKIND_INTERLEAVE"},
    };
    for (size_t i = 0; i < sizeof(fixed_names) / sizeof(fixed_names[0]); i++) {
        if (strcmp(name, fixed_names[i].name) == 0) {
            return *(void **)symbol(fixed_names[i].variable);
        }
    }
    void *kind = NULL;
    int error;
    if (strcmp(name, "pmem") == 0) {
        int (*create)(const char *, size_t, void **) = symbol("memkind_create_pmem");
        const char *directory = getenv("BENCH_PMEM");
        error = create(directory != NULL ? directory : "/dev/shm", AREA, &kind);
    } else if (strcmp(name, "fixed") == 0) {
        int (*create)(void *, size_t, void **) = symbol("memkind_create_fixed");
        void *area = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (area == MAP_FAILED) {
            fatal("no %zu bytes of address space for the kind", AREA);
        }
        error = create(area, AREA, &kind);
    } else {
        fatal("no kind is called %s", name);
    }
    if (error != 0) {
        fatal("creating the %s kind: %d", name, error);
    }
    return kind;
}

struct target make_target(const char *name)
{
    struct target t = {0};
    if (strcmp(name, "malloc") == 0) {
        t.plain_malloc = symbol("malloc");
        t.plain_free = symbol("free");
        t.plain_realloc = symbol("realloc");
        t.plain_usable = symbol("malloc_usable_size");
    } else if (strcmp(name, "scalable") == 0) {
        t.plain_malloc = symbol("scalable_malloc");
        t.plain_free = symbol("scalable_free");
        t.plain_realloc = symbol("scalable_realloc");
        t.plain_usable = symbol("scalable_msize");
    } else {
        t.kind_malloc = symbol("memkind_malloc");
        t.kind_free = symbol("memkind_free");
        t.kind_realloc = symbol("memkind_realloc");
        t.kind_usable = symbol("memkind_malloc_usable_size");
        t.kind_detect = symbol("memkind_detect_kind");
        t.kind = make_kind(name);
    }
    return t;
}
