/* SPDX-License-Identifier: BSD-2-Clause */
/* Under a preload library on TBB: a block of malloc has the size that pools give it. */
#include <malloc.h>
#include <memkind.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    void *volatile block = malloc(5000);
    const memkind_t kind = memkind_detect_kind(block);
    const size_t size = malloc_usable_size(block);

    if ((kind != MEMKIND_HBW_PREFERRED && kind != MEMKIND_HBW && kind != MEMKIND_REGULAR) || size != 5376) {
        fprintf(stderr, "a block of %zu bytes, kind %p\n", size, (void *)kind);
        return 1;
    }
    free(block);
    return 0;
}
