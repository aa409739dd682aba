/* SPDX-License-Identifier: BSD-2-Clause */
/* The program of the build-system tests: uses each public header, prints the version. */
#include <hbwmalloc.h>
#include <memkind.h>
#include <memkind_memtier.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    char *block = memkind_calloc(MEMKIND_REGULAR, 10, 100);
    if (block == NULL || memkind_detect_kind(block) != MEMKIND_REGULAR) {
        return 1;
    }
    block = memkind_realloc(MEMKIND_REGULAR, block, 5000);
    memset(block, 1, 5000);
    memkind_free(NULL, block);

    block = hbw_malloc(100);
    if (block == NULL || hbw_malloc_usable_size(block) < 100) {
        return 2;
    }
    hbw_free(block);

    if (memtier_kind_allocated_size(MEMKIND_DEFAULT) != 0) {
        return 3;
    }
    const int version = memkind_get_version();
    printf("memkind %d.%d.%d\n", version / 1000000, version / 1000 % 1000, version % 1000);
    return 0;
}
