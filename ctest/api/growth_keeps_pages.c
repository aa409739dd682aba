/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that takes and frees the same blocks again and again does not meet fresh pages each time because
 * its heap grows meanwhile: for small blocks with a large alignment, or for large ones. */
#include <sys/resource.h>

#include "machine.h"
#include "pmem.h"

enum { BLOCKS = 500, ROUNDS = 200, LARGE = 40, STEPS = 4000, PAGE = 4096 };

static size_t page_faults(void)
{
    struct rusage usage;

    CHECK_INT(0, getrusage(RUSAGE_SELF, &usage));
    return (size_t)usage.ru_minflt;
}

/* How many bytes of fresh pages ROUNDS need beyond what one of them touches. */
static size_t fresh_bytes(memkind_t kind, size_t align, size_t size)
{
    static char *blocks[BLOCKS];
    size_t touched = 0, before = 0;

    for (size_t round = 0; round < ROUNDS; round++) {
        touched = 0;
        for (size_t i = 0; i < BLOCKS; i++) {
            const size_t bytes = 64 * KIB + (i * 7919 + round * 104729) % (128 * KIB);

            blocks[i] = memkind_malloc(kind, bytes);
            CHECK_NOT_NULL(blocks[i]);
            for (size_t at = 0; at < bytes; at += PAGE) {
                blocks[i][at] = 1;
            }
            touched += bytes;
        }
        for (size_t i = 0; i < BLOCKS; i++) {
            memkind_free(kind, blocks[i]);
        }
        before = round == 0 ? page_faults() : before;
        /* It stays, so the next one needs a place of its own. */
        void *grows = NULL;

        CHECK_INT(0, memkind_posix_memalign(kind, &grows, align, size));
        *(char *)grows = 1;
    }
    const size_t fresh = (page_faults() - before) * PAGE;

    return fresh > touched ? fresh - touched : 0;
}

static void check(const char *name, memkind_t kind, size_t align, size_t size)
{
    const size_t fresh = fresh_bytes(kind, align, size);

    if (fresh > 100 * MIB) {
        FAIL("%s, %zu KiB aligned to %zu: %zu MiB of fresh pages in %d rounds", name, size / KIB, align,
             fresh / MIB, ROUNDS);
    }
}

/* Blocks of 300 KiB to 4.8 MiB are replaced at random, while small ones come that stay. */
static void check_large(memkind_t kind)
{
    char *large[LARGE] = {NULL};
    const size_t before = page_faults();
    size_t random = 1;

    for (size_t step = 0; step < STEPS; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        char **place = &large[(random >> 40) % LARGE];
        const size_t size = (1 + (random >> 32) % 16) * 300 * KIB;

        memkind_free(kind, *place);
        *place = memkind_malloc(kind, size);
        CHECK_NOT_NULL(*place);
        for (size_t at = 0; at < size; at += PAGE) {
            (*place)[at] = 1;
        }
        for (size_t i = 0; i < 50; i++) {
            char *small = memkind_malloc(kind, 16 + (random >> 20) % 97 * (i + 1) % 4000);

            CHECK_NOT_NULL(small);
            *small = 1;
            if (i % 4 != 0) {
                memkind_free(kind, small);
            }
        }
    }
    const size_t fresh = (page_faults() - before) * PAGE;

    for (size_t i = 0; i < LARGE; i++) {
        memkind_free(kind, large[i]);
    }
    /* 225; if the heap gave back what is free whenever it grows, 344. */
    if (fresh > 240 * MIB) {
        FAIL("%zu MiB of fresh pages for large blocks in turn", fresh / MIB);
    }
}

int main(void)
{
    memkind_t file = make_pmem(test_dir(), 0);

    /* First, in a heap that has to grow. */
    check_large(MEMKIND_REGULAR);
    check("regular", MEMKIND_REGULAR, 16 * MIB, PAGE);
    check("regular", MEMKIND_REGULAR, 64 * MIB, PAGE);
    check("file", file, 16 * MIB, PAGE);
    check("file", file, 64 * MIB, PAGE);
    CHECK_INT(0, memkind_destroy_kind(file));
    return 0;
}
