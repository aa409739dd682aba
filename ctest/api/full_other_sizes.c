/* SPDX-License-Identifier: BSD-2-Clause */
/* A full kind has refused a size many times. It gives that size again as soon as pages become free, whatever
 * they were used for, and whichever thread frees them by whichever function. */
#include "pmem.h"
#include "threads.h"

#define AREA (6144 * HEAP_PAGE)

enum { SIZE = 64, HALF_PAGE = HEAP_PAGE / 2, HALVES = 64 };

static memkind_t kind;

static void refuse(void)
{
    for (int i = 0; i < 5; i++) {
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, SIZE));
    }
}

/* There is room now; afterwards there is none. */
static void take(const char *after)
{
    if (memkind_malloc(kind, SIZE) == NULL) {
        FAIL("no room after %s", after);
    }
    while (memkind_malloc(kind, SIZE) != NULL) {
    }
    refuse();
}

static void *give(void *block)
{
    memkind_free(kind, block);
    return NULL;
}

static void *give_back_all(void *argument)
{
    void **blocks = argument;

    for (int i = 0; i < HALVES; i++) {
        memkind_free(NULL, blocks[i]);
    }
    return NULL;
}

static uintptr_t page(const void *block)
{
    return (uintptr_t)block / HEAP_PAGE;
}

static void check(memkind_t made)
{
    void *halves[HALVES], *others[HALVES], *large[4], *shrinks, *moves, *aligned, *page_block;
    int pairs = 0;

    kind = made;
    page_block = memkind_malloc(kind, HEAP_PAGE);
    CHECK_NOT_NULL(page_block);
    for (int i = 0; i < HALVES; i++) {
        halves[i] = memkind_malloc(kind, HALF_PAGE);
        CHECK_NOT_NULL(halves[i]);
    }
    for (int i = 0; i < HALVES; i++) {
        others[i] = memkind_malloc(kind, HEAP_PAGE / 4 * 3);
        CHECK_NOT_NULL(others[i]);
    }
    for (int i = 0; i < 4; i++) {
        large[i] = memkind_malloc(kind, (i < 2 ? 25 : 5) * HEAP_PAGE);
        CHECK_NOT_NULL(large[i]);
    }
    shrinks = memkind_malloc(kind, 200 * HEAP_PAGE);
    moves = memkind_malloc(kind, HEAP_PAGE / 4 * 5);
    CHECK(shrinks != NULL && moves != NULL);
    CHECK_INT(0, memkind_posix_memalign(kind, &aligned, 16 * HEAP_PAGE, 2 * HEAP_PAGE));
    while (memkind_malloc(kind, SIZE) != NULL) {
    }
    refuse_for_long(kind, SIZE, &page_block);

    /* Half a page is of no use to others; the other half makes it a page. */
    for (int i = 0; i + 1 < HALVES; i++) {
        if (page(halves[i]) == page(halves[i + 1])) {
            memkind_free(kind, halves[i]);
            refuse();
            if (pairs++ % 2) {
                in_thread(give, halves[i + 1]);
            } else {
                memkind_free(kind, halves[i + 1]);
            }
            take("two halves of a page were freed");
            i++;
        }
    }
    CHECK(pairs > HALVES / 4);

    memkind_free(kind, large[0]);
    take("a large block was freed");
    in_thread(give, large[1]);
    take("another thread freed a large block");
    memkind_free(NULL, large[2]);
    take("a block of five pages was freed");
    in_thread(give, large[3]);
    take("another thread freed a block of five pages");
    memkind_free(kind, aligned);
    take("an aligned block was freed");
    for (size_t pages = 175; pages >= 25; pages -= 25) {
        shrinks = memkind_realloc(kind, shrinks, pages * HEAP_PAGE);
        CHECK_NOT_NULL(shrinks);
        take("a block was made smaller");
    }
    CHECK(memkind_realloc(kind, shrinks, 0) == NULL);
    take("a block was reallocated to nothing");
    moves = memkind_realloc(kind, moves, 16);
    CHECK_NOT_NULL(moves);
    /* All blocks of slabs of several pages, by a thread that then ends. */
    in_thread(give_back_all, others);
    take("a thread freed many blocks and ended");
    CHECK_INT(0, memkind_destroy_kind(kind));
}

/* What was known of a kind does not hold for the next one, which may have its place. */
static void check_next(void)
{
    for (int i = 0; i < 2; i++) {
        kind = make_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE);
        while (memkind_malloc(kind, 900 * KIB) != NULL) {
        }
        take("large blocks had filled the kind");
        refuse_for_long(kind, SIZE, NULL);
        CHECK_INT(0, memkind_destroy_kind(kind));
    }
}

int main(void)
{
    if (original()) {
        SKIP("caches of threads keep what is freed from others");
    }
    char *area = map_area(AREA);

    check(make_fixed(area, AREA));
    CHECK_INT(0, munmap(area, AREA));
    check(make_pmem(test_dir(), AREA));
    check_next();
    return 0;
}
