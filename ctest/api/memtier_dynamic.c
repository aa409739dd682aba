/* SPDX-License-Identifier: BSD-2-Clause */
/* DYNAMIC_THRESHOLD: the size decides the tier, the threshold moves by known steps inside its limits,
 * and the ratio that is asked for is reached. */
#include "memtier.h"
#include "output.h"

#define PREFIX "policy.dynamic_threshold."

static void check_edges(void)
{
    static const struct {
        size_t size;
        memkind_t *kind;
    } cases[] = {
        {1, &MEMKIND_DEFAULT},    {1023, &MEMKIND_DEFAULT},    {1024, &MEMKIND_REGULAR},
        {2047, &MEMKIND_REGULAR}, {2048, &MEMKIND_INTERLEAVE}, {10 * MIB, &MEMKIND_INTERLEAVE},
    };
    const unsigned never = 1000000;
    struct memtier_builder *builder = two_tiers(MEMTIER_POLICY_DYNAMIC_THRESHOLD, 1, 1);

    CHECK_INT(0, memtier_builder_add_tier(builder, MEMKIND_INTERLEAVE, 1));
    CHECK_INT(0, memtier_ctl_set(builder, PREFIX "check_cnt", &never));
    struct memtier_memory *memory = build(builder);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        void *aligned_block = NULL;
        void *block = memtier_malloc(memory, cases[i].size);
        CHECK_PTR(*cases[i].kind, memkind_detect_kind(block));
        memtier_free(block);
        block = memtier_calloc(memory, 1, cases[i].size);
        CHECK_PTR(*cases[i].kind, memkind_detect_kind(block));
        memtier_free(block);
        block = memtier_realloc(memory, NULL, cases[i].size);
        CHECK_PTR(*cases[i].kind, memkind_detect_kind(block));
        memtier_free(block);
        CHECK_INT(0, memtier_posix_memalign(memory, &aligned_block, 64, cases[i].size));
        CHECK_PTR(*cases[i].kind, memkind_detect_kind(aligned_block));
        memtier_free(aligned_block);
    }
    memtier_delete_memtier_memory(memory);
}

/* Allocates `count` blocks of `size`; the parent reads the threshold from the message at deletion. */
static void child(const char *argument)
{
    int count = 0;
    size_t size = 0;
    struct memtier_memory *memory = build(two_tiers(MEMTIER_POLICY_DYNAMIC_THRESHOLD, 1, 1));

    CHECK_INT(2, sscanf(argument, "%d,%zu", &count, &size));
    for (int i = 0; i < count; i++) {
        CHECK_NOT_NULL(memtier_malloc(memory, size));
    }
    memtier_delete_memtier_memory(memory);
}

/* Steps of 15 % rounded up. A step that would leave 512 to 1535 is not taken; up while the first tier
 * looks empty, which it does until it has passed 50 KiB, then down while it holds too much. */
static void check_steps(void)
{
    static const struct {
        const char *argument, *last_line;
    } cases[] = {
        {"19,100", "current value 1024\n"},   {"20,100", "current value 1178\n"},
        {"39,100", "current value 1178\n"},   {"40,100", "current value 1355\n"},
        {"200,100", "current value 1355\n"},  {"2000,100", "current value 600\n"},
        {"2000,2000", "current value 1355\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct output *output = output_of(cases[i].argument, ENV("MEMKIND_DEBUG=1"));
        const char *at = NULL;

        CHECK_INT(0, output->status);
        for (const char *next = output->text; (next = strstr(next, "Threshold 0 - current")) != NULL; next++) {
            at = next + strlen("Threshold 0 - ");
        }
        check_context = cases[i].argument;
        CHECK_NOT_NULL(at);
        if (strncmp(at, cases[i].last_line, strlen(cases[i].last_line)) != 0) {
            FAIL("expected %sgot %.30s", cases[i].last_line, at);
        }
        check_context = NULL;
    }
}

/* The share of tier 1 to tier 0 stays within `tolerance` of 3 once the first thousand are there. */
static void check_target(int count, bool mixed, double tolerance)
{
    struct memtier_memory *memory = build(two_tiers(MEMTIER_POLICY_DYNAMIC_THRESHOLD, 1, 3));
    void **blocks = calloc((size_t)count, sizeof(*blocks));
    unsigned random = 7;

    for (int i = 0; i < count; i++) {
        random = random * 1103515245 + 12345;
        blocks[i] = memtier_malloc(memory, mixed ? 1 + (random >> 16) % 2048 : KIB);
        CHECK_NOT_NULL(blocks[i]);
        if (i >= 1000 && (!mixed || i == count - 1)) {
            const double share = (double)memtier_kind_allocated_size(MEMKIND_REGULAR) /
                                 (double)memtier_kind_allocated_size(MEMKIND_DEFAULT);
            if (share < 3 * (1 - tolerance) || share > 3 * (1 + tolerance)) {
                FAIL("after %d blocks the ratio is 1:%f", i + 1, share);
            }
        }
    }
    for (int i = 0; i < count; i++) {
        memtier_free(blocks[i]);
    }
    free(blocks);
    memtier_delete_memtier_memory(memory);
}

/* A step that is larger than the threshold is not taken down. Difference: in the original the threshold then
 * wraps around to nearly SIZE_MAX, whatever its limits. */
static void check_large_degree(void)
{
    const float degree = 2;
    const unsigned every_time = 1;
    struct memtier_builder *builder = two_tiers(MEMTIER_POLICY_DYNAMIC_THRESHOLD, 1, 1);
    void *small = memtier_kind_malloc(MEMKIND_DEFAULT, 100 * KIB);

    CHECK_INT(0, memtier_ctl_set(builder, PREFIX "degree", &degree));
    CHECK_INT(0, memtier_ctl_set(builder, PREFIX "check_cnt", &every_time));
    struct memtier_memory *memory = build(builder);
    for (int i = 0; i < 10; i++) {
        void *block = memtier_malloc(memory, 2000);
        CHECK_PTR(original() && i > 0 ? MEMKIND_DEFAULT : MEMKIND_REGULAR, memkind_detect_kind(block));
        memtier_free(block);
    }
    memtier_free(small);
    memtier_delete_memtier_memory(memory);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        child(argv[1]);
        return 0;
    }
    check_edges();
    check_large_degree();
    check_steps();
    check_target(10000, false, 0.20);
    check_target(20000, true, 0.32);
    return 0;
}
