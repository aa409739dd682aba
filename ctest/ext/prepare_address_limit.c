/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_prepare() takes the memory that was asked for where a limit on addresses (RLIMIT_AS) leaves room for that and
 * not for the heap's records of blocks. */
#include "kind.h"
#include "process.h"

#define SLAB (32 * MIB)
#define SIZE (2 * SLAB)
/* Two slabs, with what is cut off at the ends of one, and some for the first blocks. */
#define ROOM (2 * SLAB + 12 * MIB)

int main(void)
{
    const memkind_t kind = make_wanted((struct wanted){.options = MEMKIND_OPTION_POPULATE, .slab_size = SLAB});
    void *block = memkind_malloc(MEMKIND_DEFAULT, 1 * MIB);

    need_unlimited_address_space();
    CHECK_NOT_NULL(block);
    limit_address_space(address_space() + ROOM);
    CHECK_INT(0, memkind_prepare(kind, SIZE));
    CHECK(usage_of(kind).held >= SIZE);
    /* Blocks of SIZE bytes in all might need the half that is taken besides where there is room. */
    for (size_t taken = 0; taken < SIZE / 2; taken += MIB) {
        CHECK_NOT_NULL(memkind_malloc(kind, MIB));
    }
    memkind_free(MEMKIND_DEFAULT, block);
    return 0;
}
