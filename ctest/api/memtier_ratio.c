/* SPDX-License-Identifier: BSD-2-Clause */
/* STATIC_RATIO: the tier of every single block follows from what the tiers hold, counted in usable
 * sizes; between two looks at the sizes the count lags by up to 50 KiB a tier. */
#include "memtier.h"

#define N_TIERS 3

static memkind_t tiers[N_TIERS];

static int tier_of(void *block)
{
    const memkind_t kind = memkind_detect_kind(block);

    for (int i = 0; i < N_TIERS; i++) {
        if (kind == tiers[i]) {
            return i;
        }
    }
    FAIL("%p is in no tier", block);
}

/* The last tier that has less than its share, measured against the first. */
static int next_tier(const unsigned ratios[N_TIERS])
{
    const double first = (double)memtier_kind_allocated_size(tiers[0]);

    for (int i = N_TIERS - 1; i > 0; i--) {
        if ((double)memtier_kind_allocated_size(tiers[i]) * ratios[0] / ratios[i] < first) {
            return i;
        }
    }
    return 0;
}

/* Ratios whose quotients are exact, so that rounding does not matter. */
static void check_sequence(const unsigned ratios[N_TIERS])
{
    enum { N = 3000 };
    static void *blocks[N];
    struct memtier_builder *builder = new_builder(MEMTIER_POLICY_STATIC_RATIO);
    unsigned random = 1;
    int used[N_TIERS] = {0};

    for (int i = 0; i < N_TIERS; i++) {
        CHECK_INT(0, memtier_builder_add_tier(builder, tiers[i], ratios[i]));
    }
    struct memtier_memory *memory = build(builder);
    for (int i = 0; i < N; i++) {
        random = random * 1103515245 + 12345;
        const size_t size = 1 + (random >> 16) % (i % 7 == 0 ? 300000 : 2000);
        const int expected = next_tier(ratios);

        blocks[i] = memtier_malloc(memory, size);
        CHECK_INT(expected, tier_of(blocks[i]));
        used[expected]++;
        if (i % 3 == 2) {
            memtier_free(blocks[i / 2]);
            blocks[i / 2] = NULL;
        }
    }
    const double first = (double)memtier_kind_allocated_size(tiers[0]);
    for (int i = 0; i < N_TIERS; i++) {
        const double share = (double)memtier_kind_allocated_size(tiers[i]) * ratios[0] / ratios[i] / first;
        CHECK(used[i] > 0);
        CHECK(share > 0.95 && share < 1.05);
    }
    for (int i = 0; i < N; i++) {
        memtier_free(blocks[i]);
    }
    memtier_delete_memtier_memory(memory);
}

static void check_lag(void)
{
    static void *blocks[6 * 3201];
    struct memtier_memory *memory = build(two_tiers(MEMTIER_POLICY_STATIC_RATIO, 1, 1));

    /* 3201 blocks of 16 bytes are the first to pass 51,200. */
    for (int i = 0; i < 6 * 3201; i++) {
        blocks[i] = memtier_malloc(memory, 16);
        if ((i / 3201) % 2 != tier_of(blocks[i])) {
            FAIL("block %d is in tier %d", i, tier_of(blocks[i]));
        }
    }
    for (int i = 0; i < 6 * 3201; i++) {
        memtier_free(blocks[i]);
    }
    memtier_delete_memtier_memory(memory);
}

/* To free nothing lets decisions know what the kind has. */
static void check_free_null(void)
{
    struct memtier_memory *memory = build(two_tiers(MEMTIER_POLICY_STATIC_RATIO, 1, 1));
    void *first = memtier_malloc(memory, 1500), *second = memtier_malloc(memory, 1500), *third;

    CHECK_INT(0, tier_of(first));
    CHECK_INT(0, tier_of(second));
    memtier_kind_free(MEMKIND_DEFAULT, NULL);
    third = memtier_malloc(memory, 1500);
    CHECK_INT(1, tier_of(third));
    memtier_free(first);
    memtier_free(second);
    memtier_free(third);
    memtier_delete_memtier_memory(memory);
}

int main(void)
{
    tiers[0] = MEMKIND_DEFAULT;
    tiers[1] = MEMKIND_REGULAR;
    tiers[2] = MEMKIND_INTERLEAVE;
    check_lag();
    check_free_null();
    check_sequence((const unsigned[]){1, 4, 2});
    check_sequence((const unsigned[]){8, 1, 4});
    check_sequence((const unsigned[]){1, 1, 1});
    return 0;
}
