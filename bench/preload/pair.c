/* SPDX-License-Identifier: BSD-2-Clause */
/* malloc and free, one after the other; with BARE those of libmemkind, called by their own names.
 * usage: pair COUNT */
#include "workload.h"

#ifdef BARE
#include <memkind.h>
#define malloc(size) memkind_malloc(MEMKIND_DEFAULT, size)
#define free(block) memkind_free(NULL, block)
#endif

int main(int argc, char **argv)
{
    const unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;

    for (unsigned long i = 0; i < count; i++) {
        void *volatile block = need(malloc(64));
        free(block);
    }
    puts("done");
    return 0;
}
