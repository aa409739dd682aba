/* SPDX-License-Identifier: BSD-2-Clause */
/* memtier_ctl_set: the names it knows, when, and which values make construction fail. */
#include "memtier.h"

#define PREFIX "policy.dynamic_threshold."

static const size_t value = 1030;

static void check_names(void)
{
    static const char *const wrong[] = {
        "", "policy", "policy.dynamic_threshold", PREFIX, "Policy.dynamic_threshold.degree",
        " " PREFIX "degree", "." PREFIX "degree", "policy..dynamic_threshold.degree", PREFIX "degree.",
        PREFIX "degreex", PREFIX "degre", PREFIX "check_cntx", PREFIX "check_cnt.", PREFIX "triggers",
        "policy.static_ratio.degree", PREFIX "thresholds", PREFIX "thresholds.val", PREFIX "thresholds[].val",
        PREFIX "thresholds[0]", PREFIX "thresholds[0].", PREFIX "thresholds[0].foo", PREFIX "thresholds[0].valx",
        PREFIX "thresholds[0].val.x", PREFIX "thresholds[[0]].val", PREFIX "thresholds[0]x.val",
        PREFIX "thresholds[0x].val", PREFIX "thresholds[a].val", PREFIX "thresholds[-1].val",
        PREFIX "thresholds[1].val", PREFIX "thresholds[2].val", PREFIX "thresholds[99999999999999999999].val",
    };
    struct memtier_builder *builder = two_tiers(MEMTIER_POLICY_DYNAMIC_THRESHOLD, 1, 1);

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        check_int(__FILE__, __LINE__, wrong[i], -1, memtier_ctl_set(builder, wrong[i], &value));
    }
    memtier_builder_delete(builder);
}

static void check_when(void)
{
    static const char *const members[] = {"val", "min", "max"};
    static const char *const any_time[] = {PREFIX "check_cnt", PREFIX "trigger", PREFIX "degree"};
    static const memkind_t *const tiers[] = {&MEMKIND_DEFAULT, &MEMKIND_REGULAR, &MEMKIND_INTERLEAVE,
                                             &MEMKIND_HIGHEST_CAPACITY};
    struct memtier_builder *builder = new_builder(MEMTIER_POLICY_DYNAMIC_THRESHOLD);
    struct memtier_builder *fixed_ratio = two_tiers(MEMTIER_POLICY_STATIC_RATIO, 1, 1);

    for (int tier = 0; tier < 4; tier++) {
        CHECK_INT(0, memtier_builder_add_tier(builder, *tiers[tier], 1));
        for (int i = 0; i < 3; i++) {
            CHECK_INT(0, memtier_ctl_set(builder, any_time[i], &value));
            CHECK_INT(-1, memtier_ctl_set(fixed_ratio, any_time[i], &value));
        }
        for (int threshold = 0; threshold < 5; threshold++) {
            for (int i = 0; i < 3; i++) {
                char name[64];
                snprintf(name, sizeof(name), PREFIX "thresholds[%d].%s", threshold, members[i]);
                CHECK_INT(threshold < tier ? 0 : -1, memtier_ctl_set(builder, name, &value));
                CHECK_INT(-1, memtier_ctl_set(fixed_ratio, name, &value));
            }
        }
    }
    memtier_builder_delete(builder);
    memtier_builder_delete(fixed_ratio);
}

/* Whether three tiers can be built with one size, or one number, set. */
static bool builds(const char *name, const void *setting)
{
    struct memtier_builder *builder = two_tiers(MEMTIER_POLICY_DYNAMIC_THRESHOLD, 1, 1);

    CHECK_INT(0, memtier_builder_add_tier(builder, MEMKIND_INTERLEAVE, 1));
    CHECK_INT(0, memtier_ctl_set(builder, name, setting));
    struct memtier_memory *memory = memtier_builder_construct_memtier_memory(builder);
    if (memory != NULL) {
        memtier_delete_memtier_memory(memory);
    }
    memtier_builder_delete(builder);
    return memory != NULL;
}

/* The defaults of threshold 0 are 512, 1024, 1535 and of threshold 1 are 1536, 2048, 2559. */
static void check_values(void)
{
    static const struct {
        const char *name;
        size_t good_from, good_to;
    } sizes[] = {
        {PREFIX "thresholds[0].min", 0, 1024},    {PREFIX "thresholds[0].val", 512, 1535},
        {PREFIX "thresholds[0].max", 1024, 1536}, {PREFIX "thresholds[1].min", 1535, 2048},
        {PREFIX "thresholds[1].val", 1536, 2559}, {PREFIX "thresholds[1].max", 2048, SIZE_MAX},
    };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const size_t below = sizes[i].good_from - 1, above = sizes[i].good_to + 1;

        check_context = sizes[i].name;
        CHECK(builds(sizes[i].name, &sizes[i].good_from));
        CHECK(builds(sizes[i].name, &sizes[i].good_to));
        CHECK(sizes[i].good_from == 0 || !builds(sizes[i].name, &below));
        CHECK(sizes[i].good_to == SIZE_MAX || !builds(sizes[i].name, &above));
    }
    static const float numbers[] = {0, 0.5, 100, -0.01, -1};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        CHECK_INT(numbers[i] >= 0, builds(PREFIX "degree", &numbers[i]));
        CHECK_INT(numbers[i] >= 0, builds(PREFIX "trigger", &numbers[i]));
    }
    check_context = NULL;
}

int main(void)
{
    check_names();
    check_when();
    check_values();
    return 0;
}
