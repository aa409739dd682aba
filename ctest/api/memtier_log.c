/* SPDX-License-Identifier: BSD-2-Clause */
/* What memtier builders and memories say under MEMKIND_DEBUG=1. */
#include "memtier.h"
#include "output.h"

static void refusals(void)
{
    const size_t big = 5000, low = 1534, above_val = 3000;
    const float negative = -1, positive = 1;
    struct memtier_builder *builder = new_builder(MEMTIER_POLICY_STATIC_RATIO);

    CHECK_NULL(memtier_builder_new((memtier_policy_t)7));
    CHECK_NULL(memtier_builder_construct_memtier_memory(builder));
    memtier_builder_add_tier(builder, NULL, 1);
    memtier_builder_add_tier(builder, MEMKIND_DEFAULT, 1);
    memtier_builder_add_tier(builder, MEMKIND_DEFAULT, 1);
    memtier_ctl_set(builder, "policy.dynamic_threshold.degree", &positive);
    builder = new_builder(MEMTIER_POLICY_DYNAMIC_THRESHOLD);
    memtier_builder_add_tier(builder, MEMKIND_DEFAULT, 1);
    CHECK_NULL(memtier_builder_construct_memtier_memory(builder));
    memtier_builder_add_tier(builder, MEMKIND_REGULAR, 1);
    memtier_ctl_set(builder, "foo.bar", &big);
    memtier_ctl_set(builder, "policy.dynamic_threshold.thresholds[5].val", &big);
    memtier_ctl_set(builder, "policy.dynamic_threshold.thresholds[0].val", &big);
    CHECK_NULL(memtier_builder_construct_memtier_memory(builder));
    memtier_ctl_set(builder, "policy.dynamic_threshold.thresholds[0].max", &big);
    memtier_ctl_set(builder, "policy.dynamic_threshold.degree", &negative);
    CHECK_NULL(memtier_builder_construct_memtier_memory(builder));
    memtier_ctl_set(builder, "policy.dynamic_threshold.degree", &positive);
    memtier_ctl_set(builder, "policy.dynamic_threshold.trigger", &negative);
    CHECK_NULL(memtier_builder_construct_memtier_memory(builder));
    memtier_ctl_set(builder, "policy.dynamic_threshold.trigger", &positive);
    memtier_builder_add_tier(builder, MEMKIND_INTERLEAVE, 1);
    memtier_ctl_set(builder, "policy.dynamic_threshold.thresholds[1].min", &low);
    CHECK_NULL(memtier_builder_construct_memtier_memory(builder));
    memtier_ctl_set(builder, "policy.dynamic_threshold.thresholds[1].min", &above_val);
    CHECK_NULL(memtier_builder_construct_memtier_memory(builder));
}

static const char refusals_text[] =
    "MEMKIND_ERROR: Unrecognized memory policy 7\n"
    "MEMKIND_ERROR: No tier in builder.\n"
    "MEMKIND_ERROR: memtier_memory_init failed.\n"
    "MEMKIND_ERROR: Kind is empty.\n"
    "MEMKIND_ERROR: Kind is already in builder.\n"
    "MEMKIND_ERROR: Invalid name: policy.dynamic_threshold.degree\n"
    "MEMKIND_ERROR: There should be at least 2 tiers added to builder to use POLICY_DYNAMIC_THRESHOLD\n"
    "MEMKIND_ERROR: Invalid name: foo.bar\n"
    "MEMKIND_ERROR: Too small tiers defined 2, for tier index 5\n"
    "MEMKIND_ERROR: Maximum value of threshold 0 is too low (val = 5000, max = 1535)\n"
    "MEMKIND_ERROR: Threshold change value has to be >= 0\n"
    "MEMKIND_ERROR: Threshold trigger value has to be >= 0\n"
    "MEMKIND_ERROR: Maximum value of threshold 0 should be less than minimum value of threshold 1\n"
    "MEMKIND_ERROR: Minimum value of threshold 1 is too high (min = 3000, val = 2048)\n";

static void deletion(memtier_policy_t policy)
{
    struct memtier_memory *memory = build(two_tiers(policy, 2, 4));
    void *block = memtier_malloc(memory, 1000);

    CHECK_PTR(MEMKIND_DEFAULT, memkind_detect_kind(block));
    memtier_delete_memtier_memory(memory);
    memtier_free(block);
}

#define ALLOCATED(size) "MEMKIND_INFO: Tier allocated size " size "\n"
#define TIERS(ratio_0, allocated_0, ratio_1, allocated_1)                                              \
    "MEMKIND_INFO: Number of memory tiers 2\n"                                                         \
    "MEMKIND_INFO: Tier 0 - memory kind memkind_default\n"                                             \
    "MEMKIND_INFO: Tier normalized ratio " ratio_0 "\n" allocated_0                                    \
    "MEMKIND_INFO: Tier 1 - memory kind memkind_regular\n"                                             \
    "MEMKIND_INFO: Tier normalized ratio " ratio_1 "\n" allocated_1
#define BUILDER_TIERS TIERS("2.000000", "", "4.000000", "")
#define MEMORY_TIERS TIERS("1.000000", ALLOCATED("1024"), "0.500000", ALLOCATED("0"))
#define NUMBERS(trigger, degree, count)                                                                \
    "MEMKIND_INFO: Threshold trigger value " trigger "\nMEMKIND_INFO: Threshold degree value " degree  \
    "\nMEMKIND_INFO: Threshold counter setting value " count "\n"
#define NO_THRESHOLDS "MEMKIND_INFO: No thresholds configuration found\n"
#define THRESHOLD                                                                                      \
    "MEMKIND_INFO: Threshold 0 - minimum 512\n"                                                        \
    "MEMKIND_INFO: Threshold 0 - current value 1024\n"                                                 \
    "MEMKIND_INFO: Threshold 0 - maximum 1535\n"

int main(int argc, char **argv)
{
    if (argc > 1) {
        if (argv[1][0] == 'r') {
            refusals();
        } else {
            deletion(argv[1][0] == 's' ? MEMTIER_POLICY_STATIC_RATIO : MEMTIER_POLICY_DYNAMIC_THRESHOLD);
        }
        return 0;
    }
    CHECK_OUTPUT(0, "", "refusals", ENV("MEMKIND_DEBUG"));
    CHECK_OUTPUT(0, "", "static", ENV("MEMKIND_DEBUG"));
    CHECK_OUTPUT(0, refusals_text, "refusals", ENV("MEMKIND_DEBUG=1"));
    CHECK_OUTPUT(0,
                 BUILDER_TIERS NO_THRESHOLDS NUMBERS("0.000000", "0.000000", "0")
                 MEMORY_TIERS NO_THRESHOLDS
                 NUMBERS("0.000000", "0.000000", "0") "MEMKIND_INFO: Threshold counter current value 0\n",
                 "static", ENV("MEMKIND_DEBUG=1"));
    CHECK_OUTPUT(0,
                 BUILDER_TIERS THRESHOLD NUMBERS("0.020000", "0.150000", "20")
                 MEMORY_TIERS THRESHOLD
                 NUMBERS("0.020000", "0.150000", "20") "MEMKIND_INFO: Threshold counter current value 19\n",
                 "dynamic", ENV("MEMKIND_DEBUG=1"));
    return 0;
}
