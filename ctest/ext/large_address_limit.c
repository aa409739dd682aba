/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a limit on addresses (RLIMIT_AS) lets the kernel refuse to move a block above 8 MiB, no addresses are lost:
 * they may all be used by the blocks that come next. */
#include "process.h"

#include <memkind_ext.h>

int main(void)
{
    const size_t small = 64 * MIB, large = 2 * small;
    size_t before = 0;

    need_unlimited_address_space();
    for (int round = 0; round < 4; round++) {
        char *block = memkind_malloc(MEMKIND_DEFAULT, small);

        CHECK_NOT_NULL(block);
        memset(block, round, 100);
        /* It cannot grow where it is. Whether or not something is there already. */
        void *behind = mmap(block + memkind_malloc_usable_size(NULL, block), 4096, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

        if (round > 0) {
            /* The new addresses, but not what the block is to have more. */
            limit_address_space(address_space() + large + 8 * MIB);
        }
        char *moved = memkind_realloc(MEMKIND_DEFAULT, block, large);

        if (moved != NULL) {
            block = moved;
        }
        CHECK(block[0] == round && block[99] == round);
        memkind_free(MEMKIND_DEFAULT, block);
        if (behind != MAP_FAILED) {
            munmap(behind, 4096);
        }
        memkind_update_cached_stats();
        CHECK_INT(0, memkind_trim(MEMKIND_DEFAULT));
        limit_address_space(RLIM_INFINITY);
        if (round == 0) {
            before = address_space();
        }
        CHECK(address_space() <= before + 4 * MIB);
    }
    return 0;
}
