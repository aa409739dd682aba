/* SPDX-License-Identifier: BSD-2-Clause */
/* usage: grow COUNT BYTES: takes COUNT blocks of BYTES bytes from MEMKIND_REGULAR and frees none, as a program that builds its data. */
#include <memkind.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    if (argc < 3) {
        return 2;
    }
    for (long left = atol(argv[1]); left > 0; left--) {
        if (memkind_malloc(MEMKIND_REGULAR, (size_t)atol(argv[2])) == NULL) {
            return 1;
        }
    }
    return 0;
}
