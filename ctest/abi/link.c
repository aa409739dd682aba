/* SPDX-License-Identifier: BSD-2-Clause */
/* One program for every way of linking: the kind variables are reached by address (copy relocations in
 * a program that is not position independent), blocks belong to the kind they were asked from, and the
 * hooks that the program defines are called.
 *
 * usage: link [path that must be part of the name of the file that memkind_malloc comes from] */
#define _GNU_SOURCE
#include "kinds.h"

#include <dlfcn.h>
#include <hbwmalloc.h>
#include <memkind.h>
#include <memkind_memtier.h>
#include <stdio.h>
#include <string.h>

#define ADDRESS(variable, name, partition) {&variable, name},
static const struct {
    memkind_t *variable;
    const char *name;
} kinds[] = {ALL_KINDS(ADDRESS)};

void memkind_malloc_pre(memkind_t *kind, size_t *size);
void memkind_malloc_post(memkind_t kind, size_t size, void **result);
void memkind_free_pre(memkind_t *kind, void **ptr);

static int malloc_pre, malloc_post, free_pre;

void memkind_malloc_pre(memkind_t *kind, size_t *size)
{
    malloc_pre += *kind == MEMKIND_REGULAR && *size == 100;
}

void memkind_malloc_post(memkind_t kind, size_t size, void **result)
{
    malloc_post += kind == MEMKIND_REGULAR && size == 100 && *result != NULL;
}

void memkind_free_pre(memkind_t *kind, void **ptr)
{
    free_pre += *kind == MEMKIND_REGULAR && *ptr != NULL;
}

static int failures;

static void check(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "failed: %s\n", what);
        failures++;
    }
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        check(strcmp((const char *)*kinds[i].variable + 12, kinds[i].name) == 0, kinds[i].name);
    }

    /* Only a decorated library calls hooks: the distribution's does not. */
    const int decorated = memkind_get_version() != 1014000;
    char *block = memkind_malloc(MEMKIND_REGULAR, 100);
    check(block != NULL, "memkind_malloc");
    check(malloc_pre == decorated, "memkind_malloc_pre called once");
    check(malloc_post == decorated, "memkind_malloc_post called once");
    check(memkind_detect_kind(block) == MEMKIND_REGULAR, "memkind_detect_kind");
    memset(block, 1, 100);
    memkind_free(MEMKIND_REGULAR, block);
    check(free_pre == decorated, "memkind_free_pre called once");

    block = hbw_malloc(100);
    check(block != NULL, "hbw_malloc falls back to ordinary memory");
    hbw_free(block);

    struct memtier_builder *builder = memtier_builder_new(MEMTIER_POLICY_STATIC_RATIO);
    check(builder != NULL && memtier_builder_add_tier(builder, MEMKIND_DEFAULT, 1) == 0, "memtier builder");
    struct memtier_memory *memory = memtier_builder_construct_memtier_memory(builder);
    check(memory != NULL, "memtier memory");
    block = memtier_malloc(memory, 100);
    check(memkind_detect_kind(block) == MEMKIND_DEFAULT, "memtier_malloc");
    memtier_free(block);
    memtier_delete_memtier_memory(memory);
    memtier_builder_delete(builder);

    if (argc > 1) {
        /* In a program that is not position independent, the address of a function is that of its PLT
         * entry in the program; dlsym gives the real one, unless the program itself defines it. */
        Dl_info info;
        void *function = dlsym(RTLD_NEXT, "memkind_malloc");
        if (function == NULL) {
            function = (void *)memkind_malloc;
        }
        check(dladdr(function, &info) != 0 && strstr(info.dli_fname, argv[1]) != NULL, argv[1]);
    }
    return failures != 0;
}
