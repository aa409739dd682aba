/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks above 8 MiB begin at a multiple of 2 MiB, of more if that is asked for, are whole pages and no more, and
 * follow each other as any do: also when they are kept for others that ask for more alignment. */
#include "large.h"

#define PAGE_BYTES ((size_t)sysconf(_SC_PAGESIZE))

static size_t pages(size_t size)
{
    return (size + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

static void check_block(memkind_t kind, char *block, size_t alignment, size_t size)
{
    CHECK_NOT_NULL(block);
    CHECK(aligned(block, alignment));
    CHECK_INT(pages(size), memkind_malloc_usable_size(kind, block));
    CHECK_PTR(kind, memkind_detect_kind(block));
    CHECK_PTR(kind, memkind_detect_kind(block + pages(size) - 1));
    block[0] = block[pages(size) - 1] = 1;
}

static void check_kind(memkind_t kind)
{
    static const size_t sizes[] = {8 * MIB + 1, 9 * MIB, 10 * MIB - 1, 64 * MIB + 3, 300 * MIB};

    for (size_t round = 0; round < 3; round++) {
        char *blocks[5];

        for (size_t i = 0; i < 5; i++) {
            blocks[i] = memkind_malloc(kind, sizes[i]);
            check_block(kind, blocks[i], 2 * MIB, sizes[i]);
        }
        for (size_t i = 0; i < 5; i++) {
            memkind_free(round == 0 ? NULL : kind, blocks[i]);
        }
        for (size_t alignment = 8; alignment <= GIB; alignment *= 8) {
            void *block = NULL;
            for (size_t i = 0; i < 5; i++) {
                CHECK_INT(0, memkind_posix_memalign(kind, &block, alignment, sizes[i]));
                check_block(kind, block, alignment < 2 * MIB ? 2 * MIB : alignment, sizes[i]);
                memkind_free(kind, block);
                /* Freed twice is freed once: nothing is at the address that may be freed. */
                memkind_free(NULL, block);
            }
        }
    }
    /* No place between two blocks is one. */
    char *block = memkind_malloc(kind, 9 * MIB);
    memkind_free(NULL, block + 2 * MIB);
    memkind_free(NULL, block + PAGE_BYTES);
    CHECK_INT(0, memkind_malloc_usable_size(NULL, block + 2 * MIB));
    check_block(kind, block, 2 * MIB, 9 * MIB);
    memkind_free(NULL, block);
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, (size_t)1 << 47));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, SIZE_MAX));
}

int main(void)
{
    if (original()) {
        SKIP("blocks of the original have the size of a class");
    }
    check_mapping_kinds(NULL, check_kind);
    return 0;
}
