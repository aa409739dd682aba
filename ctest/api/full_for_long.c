/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that has met a full kind for long, freeing its oldest block each time, still gets what another
 * thread frees: after a few refusals, if not at once. When it has freed all, or another thread half of the kind, nothing
 * is refused. */
#include "pmem.h"
#include "threads.h"

#include <time.h>

#define AREA (64 * MIB)

enum { SIZE = 1000, THEIRS = 24000, OURS = 65536, REFUSALS = 100, SECONDS = 1, LARGE = 300, HALF = 400 };

static memkind_t kind;

/* Frees the oldest block at each refusal, for blocks of many sizes of `least` bytes and up to 64 times as many, so that
 * free memory is seldom of the right one. In the end the blocks stay, or are freed. */
static void evict_for_long(size_t least, bool stay)
{
    void **ring = calloc(OURS, sizeof(*ring));
    unsigned random = 1, head = 0, tail = 0;
    const time_t end = time(NULL) + SECONDS + 1;

    CHECK_NOT_NULL(ring);
    while (time(NULL) < end) {
        const size_t size = least + (unsigned)rand_r(&random) % (63 * least);
        void *block;

        while ((block = memkind_malloc(kind, size)) == NULL) {
            CHECK(tail != head);
            memkind_free(kind, ring[tail++ % OURS]);
        }
        CHECK(head - tail < OURS);
        ring[head++ % OURS] = block;
    }
    while (!stay && tail != head) {
        memkind_free(kind, ring[tail++ % OURS]);
    }
    free(ring);
}

static void check_others(memkind_t made)
{
    struct holder holder;
    int got = 0, refused = 0;

    kind = made;
    start_holder(&holder, kind, SIZE, THEIRS);
    evict_for_long(64, true);
    let_holder_free(&holder);
    while (got < THEIRS * 9 / 10 && refused < REFUSALS) {
        if (memkind_malloc(kind, SIZE) != NULL) {
            got++;
        } else {
            refused++;
        }
    }
    if (refused == REFUSALS) {
        FAIL("only %d of %d blocks that another thread has freed", got, THEIRS);
    }
    end_holder(&holder);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

/* The blocks of the other thread are from another arena, and too large for caches. */
static void check_half(memkind_t made, size_t size)
{
    struct holder holder;

    kind = made;
    start_holder(&holder, kind, 100 * KIB, HALF);
    evict_for_long(16 * KIB, true);
    let_holder_free(&holder);
    if (memkind_malloc(kind, size) == NULL) {
        FAIL("no block of %zu in a kind of which half is free", size);
    }
    end_holder(&holder);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

static void check_large(memkind_t made, size_t unit)
{
    kind = made;
    evict_for_long(64, false);
    for (int i = 0; i < LARGE; i++) {
        const size_t size = (size_t)(i % 7 + 1) * unit;
        void *block = memkind_malloc(kind, size);

        if (block == NULL) {
            FAIL("no block of %zu in an empty kind, in round %d", size, i);
        }
        memkind_free(kind, block);
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    char *area = map_area(AREA);

    if (original()) {
        SKIP("another thread's arena is not asked, so a kind may look full that is not");
    }
    /* An area goes to arenas in pieces, which no block is across. */
    check_large(make_fixed(area, AREA), MIB);
    check_large(make_pmem(test_dir(), AREA), 7 * MIB);
    check_others(make_fixed(area, AREA));
    check_others(make_pmem("/dev/shm", AREA));
    check_half(make_fixed(area, AREA), 900 * KIB);
    check_half(make_pmem("/dev/shm", AREA), 3 * MIB);
    CHECK_INT(0, munmap(area, AREA));
    return 0;
}
