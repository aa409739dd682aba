/* SPDX-License-Identifier: BSD-2-Clause */
/* Every block of a kind with an alignment has it, whatever its size and the function that gave it. */
#include "kind.h"

static void check_kind(size_t alignment, size_t page_size)
{
    memkind_t kind = make_wanted((struct wanted){.alignment = alignment, .page_size = page_size,
                                                 .options = page_size ? MEMKIND_OPTION_PIN : 0});
    unsigned random = 1;
    char *kept[32] = {NULL};
    size_t sizes[32] = {0};

    for (int i = 0; i < 40000; i++) {
        const unsigned slot = next_random(&random) % 32;
        size_t size = 1 + next_random(&random) % (i % 16 ? 5000 : MIB);
        char *block;

        if (kept[slot] && i % 3 == 0) {
            block = memkind_realloc(kind, kept[slot], size);
            CHECK_NOT_NULL(block);
            CHECK(holds(block, size < sizes[slot] ? size : sizes[slot], slot));
        } else {
            memkind_free(i % 2 ? kind : NULL, kept[slot]);
            switch (i % 5) {
                case 0: block = memkind_calloc(kind, 1, size); break;
                case 1: CHECK_INT(0, memkind_posix_memalign(kind, (void **)&block, 16, size)); break;
                default: block = memkind_malloc(kind, size);
            }
            CHECK_NOT_NULL(block);
            if (i % 5 == 0)
                CHECK(all_zero(block, size));
        }
        CHECK(aligned(block, alignment));
        CHECK(memkind_malloc_usable_size(kind, block) >= size);
        CHECK_PTR(kind, memkind_detect_kind(block));
        fill(block, size, slot);
        kept[slot] = block;
        sizes[slot] = size;
    }
    memkind_set_allow_zero_allocs(kind, true);
    for (int i = 0; i < 100; i++)
        CHECK(aligned(memkind_malloc(kind, 0), alignment) && aligned(memkind_malloc(kind, 8), alignment));
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    check_kind(1, 0);
    for (size_t alignment = 8; alignment <= 4096; alignment *= 2)
        check_kind(alignment, 0);
    check_kind(64, 2 * MIB);
    check_kind(64 * KIB, 2 * MIB);
    return 0;
}
