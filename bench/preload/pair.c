/* SPDX-License-Identifier: BSD-2-Clause */
/* malloc and free, one after the other. usage: pair COUNT */
#include "workload.h"

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
