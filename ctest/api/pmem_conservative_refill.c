/* SPDX-License-Identifier: BSD-2-Clause */
/* With the conservative policy a kind that was emptied can be filled again: at least 75 % of the first
 * filling with equal blocks, 98 % with mixed small ones. */
#include "pmem.h"

/* Each free gives pages back to the file system: a disk's takes its time for that. */
static const char dir[] = "/dev/shm";

static void check_equal(size_t size, int rounds)
{
    memkind_t kind = make_pmem_with_policy(dir, (size < 64 * KIB ? 20 : 80) * MIB, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    void *last = NULL;
    const size_t first = fill_up(kind, size, &last);

    CHECK(first > 0);
    for (int round = 0; round < rounds; round++) {
        release_all(kind, &last);
        const size_t count = fill_up(kind, size, &last);
        if (count * 100 < first * 75) {
            FAIL("size %zu, round %d: expected 75 %% of %zu blocks, got %zu", size, round, first, count);
        }
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

/* Fills with all small classes in turn, each also one byte above the class before. */
static size_t fill_mixed(memkind_t kind, void **last)
{
    static const size_t classes[] = {32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 896};
    const size_t n_classes = sizeof(classes) / sizeof(classes[0]);
    size_t total = 0;

    for (size_t i = 0;; i++) {
        const size_t size = classes[i % n_classes] - (i / n_classes) % 2 * 7;
        void *block = memkind_malloc(kind, size);
        if (block == NULL) {
            return total;
        }
        memcpy(block, last, sizeof(*last));
        *last = block;
        total += memkind_malloc_usable_size(kind, block);
    }
}

static void check_mixed(void)
{
    memkind_t kind = make_pmem_with_policy(dir, 4608 * HEAP_PAGE, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    void *last = NULL;
    const size_t first = fill_mixed(kind, &last);

    CHECK(first > 4096 * HEAP_PAGE);
    for (int round = 0; round < 5; round++) {
        release_all(kind, &last);
        const size_t total = fill_mixed(kind, &last);
        if (total * 100 < first * 98) {
            FAIL("round %d: expected 98 %% of %zu bytes, got %zu", round, first, total);
        }
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    static const size_t sizes[] = {32, 100, 1 * KIB, 3 * KIB, 4 * KIB, 10 * KIB, 16 * KIB, 40 * KIB, 64 * KIB,
                                   200 * KIB, 512 * KIB, 1 * MIB, 2 * MIB, 3 * MIB};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        check_equal(sizes[i], sizes[i] < 16 * KIB ? 1 : sizes[i] < 64 * KIB ? 2 : 10);
    }
    /* A dozen of them: the original comes down to 8 when this is repeated ten times. */
    check_equal(5 * MIB, 2);
    check_mixed();
    return 0;
}
