/* SPDX-License-Identifier: BSD-2-Clause */
/* A block that is enlarged step by step is seldom copied, although the heap is full of gaps that would
 * hold each step and not the next; many blocks that were enlarged and then stay leave little room between
 * them, also before a small area is full; and a kind that has just been full has no room for that. */
#include "pmem.h"

enum { SLOTS = 4000, ROUNDS = 200000, MOST_MOVES = 5, STAYING = 1000 };
/* From where on blocks are not in slabs, which they can only leave by a move; up to 8 MiB they are no mappings. */
enum { LARGE = 4 * HEAP_PAGE, END = LARGE == 16384 ? 1 << 20 : 4 << 20, GAP = LARGE == 16384 ? 200000 : 1000000 };

/* Blocks of many sizes, two thirds of which are freed in the end. */
static void make_gaps(memkind_t kind)
{
    static char *held[SLOTS];
    unsigned seed = 1;

    for (int i = 0; i < ROUNDS; i++) {
        const unsigned slot = (unsigned)rand_r(&seed) % SLOTS;
        const size_t size = 1 + (unsigned)rand_r(&seed) % (i % 10 == 0 ? GAP : 2000);
        memkind_free(kind, held[slot]);
        held[slot] = memkind_malloc(kind, size);
        CHECK_NOT_NULL(held[slot]);
    }
    for (int i = 0; i < SLOTS; i++) {
        if (i % 3 != 0) {
            memkind_free(kind, held[i]);
        }
        held[i] = NULL;
    }
}

/* How often a block of 16 KiB moves on its way to 1 MiB, in 33 steps; of 256 KiB, on its way to 4 MiB. */
static int grow(memkind_t kind)
{
    size_t size = LARGE;
    char *block = memkind_malloc(kind, size);
    int moves = 0;

    CHECK_NOT_NULL(block);
    fill(block, size, 7);
    while (size < END) {
        const uintptr_t before = (uintptr_t)block;
        const size_t next = size + size / 7;
        block = memkind_realloc(kind, block, next);
        CHECK_NOT_NULL(block);
        CHECK(memkind_malloc_usable_size(kind, block) < next + next / 4);
        moves += (uintptr_t)block != before;
        CHECK(holds(block, LARGE, 7));
        CHECK_INT(0, size > LARGE && block[size - 1] != (char)size);
        memset(block + size, 1, next - size);
        block[next - 1] = (char)next;
        size = next;
    }
    memkind_free(kind, block);
    return moves;
}

static void check_moves(memkind_t kind)
{
    make_gaps(kind);
    for (int i = 0; i < 20; i++) {
        const int moves = grow(kind);
        if (moves > MOST_MOVES) {
            FAIL("round %d: a block moved %d times", i, moves);
        }
    }
}

/* Blocks that have been enlarged and stay: how much of an area they take. */
static void check_gaps(void)
{
    const size_t size = GIB;
    char *area = map_area(size);
    char *end = area;
    size_t used = 0;
    memkind_t kind = make_fixed(area, size);

    for (int i = 0; i < STAYING; i++) {
        char *block = NULL;
        for (size_t next = 20 * KIB; next < 160 * KIB; next = next * 3 / 2) {
            block = memkind_realloc(kind, block, next);
            CHECK_NOT_NULL(block);
        }
        const size_t usable = memkind_malloc_usable_size(kind, block);
        used += usable;
        end = block + usable > end ? block + usable : end;
    }
    if ((size_t)(end - area) > used + used / 5) {
        FAIL("%zu MiB are spread over %zu MiB", used / MIB, (size_t)(end - area) / MIB);
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
    CHECK_INT(0, munmap(area, size));
}

/* How many vectors of 400 KiB a small area takes, one after the other: 33 without room, 29 with a 64th of
 * the area behind each of the first. In pages of 64 KiB, of which each vector takes eight, 29
 * and 26. */
static void check_small_area(void)
{
    enum { LEAST = HEAP_PAGE == 4096 ? 32 : 28 };
    const size_t size = 16 * MIB;
    char *area = map_area(size);
    char *block = area;
    memkind_t kind = make_fixed(area, size);
    int vectors = 0;

    for (; block != NULL; vectors++) {
        block = memkind_malloc(kind, KIB);
        for (size_t now = KIB; block != NULL && now < 400 * KIB;) {
            now = now + now / 2 < 400 * KIB ? now + now / 2 : 400 * KIB;
            block = memkind_realloc(kind, block, now);
        }
    }
    if (--vectors < LEAST) {
        FAIL("%d vectors have found room", vectors);
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
    CHECK_INT(0, munmap(area, size));
}

/* What a kind takes of its limit while a block moves twice in order to grow. */
static size_t taken_by_growth(bool full)
{
    memkind_t kind = make_pmem(test_dir(), 256 * MIB);
    char *block = NULL;
    size_t taken;

    CHECK_NOT_NULL(memkind_malloc(kind, KIB));
    if (full) {
        CHECK_NULL(memkind_malloc(kind, GIB));
    }
    for (size_t size = 25 * HEAP_PAGE; size <= 100 * HEAP_PAGE; size *= 2) {
        block = memkind_realloc(kind, block, size);
        CHECK_NOT_NULL(block);
        CHECK_NOT_NULL(memkind_malloc(kind, size));
    }
    taken = pmem_record(kind)->current_size;
    CHECK_INT(0, memkind_destroy_kind(kind));
    return taken;
}

/* Room is memory of a file, and of its limit. One that has just been full has other uses for it. */
static void check_full(void)
{
    const size_t usual = taken_by_growth(false), when_full = taken_by_growth(true);

    if (when_full + MIB / 2 > usual) {
        FAIL("%zu KiB were taken, and %zu KiB if not full", when_full / KIB, usual / KIB);
    }
}

int main(void)
{
    memkind_t file = make_pmem(test_dir(), 0);

    /* First: the thread has left no gaps elsewhere. */
    check_context = "small area";
    check_small_area();
    check_context = "full";
    check_full();
    check_context = "default";
    check_moves(MEMKIND_DEFAULT);
    check_context = "regular";
    if (memkind_check_available(MEMKIND_REGULAR) == 0) {
        check_moves(MEMKIND_REGULAR);
    }
    check_context = "file";
    check_moves(file);
    CHECK_INT(0, memkind_destroy_kind(file));
    check_context = "gaps";
    check_gaps();
    return 0;
}
