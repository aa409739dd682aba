/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that takes and frees the same blocks again and again does not meet fresh pages each time because
 * its heap grows meanwhile: for small blocks with a large alignment, or for large ones. */
#include <sys/resource.h>

#include "machine.h"
#include "pmem.h"

enum { BLOCKS = 500, ROUNDS = 200, PAGE = 4096 };

static size_t page_faults(void)
{
    struct rusage usage;

    CHECK_INT(0, getrusage(RUSAGE_SELF, &usage));
    return (size_t)usage.ru_minflt;
}

/* How many bytes of fresh pages ROUNDS need beyond what one of them touches. After each one a block is taken, with
 * any alignment if that is 0. */
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

        if (align == 0) {
            grows = memkind_malloc(kind, size);
        } else {
            CHECK_INT(0, memkind_posix_memalign(kind, &grows, align, size));
        }
        CHECK_NOT_NULL(grows);
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

int main(void)
{
    memkind_t file = make_pmem(test_dir(), 0);

    check("regular", MEMKIND_REGULAR, 0, 10 * MIB);
    check("regular", MEMKIND_REGULAR, 16 * MIB, PAGE);
    check("regular", MEMKIND_REGULAR, 64 * MIB, PAGE);
    check("file", file, 16 * MIB, PAGE);
    check("file", file, 64 * MIB, PAGE);
    CHECK_INT(0, memkind_destroy_kind(file));
    file = make_pmem(test_dir(), 0);
    check("file", file, 0, 10 * MIB);
    CHECK_INT(0, memkind_destroy_kind(file));
    return 0;
}
