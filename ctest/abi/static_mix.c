/* SPDX-License-Identifier: BSD-2-Clause */
/* libmemkind.a beside another Rust static library (-DOTHER_RUST) or another jemalloc (-DOTHER_JEMALLOC). */
#include <memkind.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef OTHER_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

unsigned long long other_sum(unsigned long long n);

int main(void)
{
    char *block = memkind_malloc(MEMKIND_REGULAR, 1000);
    if (block == NULL) {
        return 1;
    }
    memset(block, 7, 1000);
#ifdef OTHER_RUST
    if (other_sum(1000) != 332833500) {
        return 2;
    }
#endif
#ifdef OTHER_JEMALLOC
    /* The program's malloc is the other jemalloc; each has its own arenas. */
    const char *version = NULL;
    size_t length = sizeof(version);
    if (mallctl("version", &version, &length, NULL, 0) != 0) {
        return 3;
    }
    char *theirs = malloc(1000);
    if (theirs == NULL || malloc_usable_size(theirs) != 1024 || memkind_detect_kind(block) != MEMKIND_REGULAR) {
        return 4;
    }
    free(theirs);
#endif
    if (memkind_malloc_usable_size(MEMKIND_REGULAR, block) != 1024) {
        return 5;
    }
    memkind_free(NULL, block);
    return 0;
}
