/* SPDX-License-Identifier: BSD-2-Clause */
/* OpenMP's allocators take memory from libmemkind, which the OpenMP run-time library opens by itself.
 *
 * usage: openmp LIBRARY HBW-KIND LARGE-CAPACITY-KIND
 *
 * LIBRARY must be part of the path of the libmemkind in use. The kinds are the names of those that
 * omp_high_bw_mem_alloc and omp_large_cap_mem_alloc must take from; "-" when it need not be libmemkind. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

/* The library's hooks (memkind(3), DECORATORS): the kinds of the blocks it hands out. */
static const char *seen[64];
static int n_seen;

void memkind_malloc_post(void *kind, size_t size, void **result);
void memkind_malloc_post(void *kind, size_t size, void **result)
{
    (void)size;
    (void)result;
    if (n_seen < 64) {
        seen[n_seen++] = (const char *)kind + 12;
    }
}

static int check(const char *name, omp_allocator_handle_t allocator, const char *library, const char *expected)
{
    const size_t size = 3000000;

    n_seen = 0;
    char *block = omp_alloc(size, allocator);
    if (block == NULL) {
        fprintf(stderr, "%s: no memory\n", name);
        return 1;
    }
#pragma omp parallel for
    for (size_t i = 0; i < size; i++) {
        block[i] = (char)i;
    }
    if (strcmp(expected, "-") == 0) {
        omp_free(block, allocator);
        return 0;
    }

    void *opened = dlopen("libmemkind.so.0", RTLD_LAZY | RTLD_NOLOAD);
    if (opened == NULL) {
        fprintf(stderr, "%s: the OpenMP run-time library did not open libmemkind\n", name);
        return 1;
    }
    Dl_info info;
    void *(*detect)(void *) = (void *(*)(void *))dlsym(opened, "memkind_detect_kind");
    int (*version)(void) = (int (*)(void))dlsym(opened, "memkind_get_version");
    if (detect == NULL || version == NULL || dladdr((void *)detect, &info) == 0 ||
        strstr(info.dli_fname, library) == NULL) {
        fprintf(stderr, "%s: wrong library %s\n", name, detect == NULL ? "" : info.dli_fname);
        return 1;
    }
    const char *kind = detect(block);
    if (kind == NULL || strcmp(kind + 12, expected) != 0) {
        fprintf(stderr, "%s: memory of %s, expected %s\n", name, kind == NULL ? "no kind" : kind + 12, expected);
        return 1;
    }
    /* The distribution's library calls no hooks. */
    if (version() != 1014000 && (n_seen != 1 || strcmp(seen[0], expected) != 0)) {
        fprintf(stderr, "%s: %d calls of memkind_malloc seen, the first for %s\n", name, n_seen,
                n_seen > 0 ? seen[0] : "nothing");
        return 1;
    }
    omp_free(block, allocator);
    dlclose(opened);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        return 2;
    }
    return check("omp_high_bw_mem_alloc", omp_high_bw_mem_alloc, argv[1], argv[2]) |
           check("omp_large_cap_mem_alloc", omp_large_cap_mem_alloc, argv[1], argv[3]);
}
