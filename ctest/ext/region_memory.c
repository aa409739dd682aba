/* SPDX-License-Identifier: BSD-2-Clause */
/* What a region takes from its kind and gives back: chunks double, reset keeps some, a kind that is used up is
 * ENOMEM and as before afterwards, records that there is no memory for are an error, a kind in use stays. */
#include "ext.h"

#include <sys/resource.h>

static void no_memory_at_all(void)
{
    struct memkind_region *region = make_region(MEMKIND_REGULAR, 4096, 0);
    struct memkind_region *last = region;
    struct memkind_region *more = NULL;
    struct rlimit none = {16 * MIB, 16 * MIB};
    size_t n = 0;

    CHECK_NOT_NULL(memkind_region_alloc(region, 1));
    CHECK_INT(0, setrlimit(RLIMIT_AS, &none));
    while (memkind_region_alloc(region, 64 * KIB) != NULL) {
        CHECK(n++ < 10000);
    }
    CHECK_INT(ENOMEM, errno);
    /* Each region takes a record; when there is no more memory for one, the handle is untouched. */
    for (n = 0; n < 10000000; n++) {
        const int code = memkind_region_create(MEMKIND_REGULAR, 0, 0, &more);
        if (code != 0) {
            CHECK_INT(MEMKIND_ERROR_MALLOC, code);
            CHECK_PTR(last, more);
            return;
        }
        last = more;
    }
    FAIL("a record for %zu regions without memory", n);
}

int main(void)
{
    memkind_t kind = small_kind(16 * MIB);
    struct memkind_region *region = make_region(kind, 0, 0);
    struct memkind_usage usage = region_usage(region);
    size_t n, first;

    CHECK_INT(0, usage.held);
    CHECK_INT(0, usage.n_ranges);
    CHECK_NOT_NULL(memkind_region_alloc(region, 100));
    CHECK_INT(64 * KIB, region_usage(region).held);
    while (region_usage(region).n_ranges < 6) {
        CHECK_NOT_NULL(memkind_region_alloc(region, 1000));
    }
    /* 64, 128, 256, 512 KiB, 1 MiB, 1 MiB. */
    CHECK_INT(960 * KIB + 2 * MIB, region_usage(region).held);

    /* Used up, twice, with the same amount: nothing is lost. */
    CHECK_INT(0, memkind_region_reset(region));
    CHECK(region_usage(region).held <= MIB);
    for (int round = 0; round < 3; round++) {
        n = 0;
        errno = 0;
        while (memkind_region_alloc(region, 1000) != NULL) {
            n++;
        }
        CHECK_INT(ENOMEM, errno);
        CHECK_INT(n * 1008, region_usage(region).in_use);
        CHECK(n > 12000);
        if (round == 0) {
            first = n;
        }
        CHECK(n + n / 8 > first);
        CHECK(region_usage(region).peak >= region_usage(region).held);
        CHECK_INT(0, memkind_region_reset(region));
        CHECK(region_usage(region).held <= MIB);
        CHECK(region_usage(region).held > 0);
    }

    /* The kind cannot go before the region. */
    CHECK_INT(MEMKIND_ERROR_OPERATION_FAILED, memkind_destroy_kind(kind));
    CHECK_PTR(kind, memkind_detect_kind(memkind_region_alloc(region, 1)));
    memkind_region_destroy(region);
    CHECK_INT(0, memkind_destroy_kind(kind));

    /* Nor is a region of a kind without memory anything but NULL. */
    region = make_region(MEMKIND_HBW, 0, 0);
    if (memkind_check_available(MEMKIND_HBW) != 0) {
        CHECK_ALLOC_FAILS(ENOMEM, memkind_region_alloc(region, 1));
    }
    memkind_region_destroy(region);
    CHECK_CHILD(run_forked(no_memory_at_all));
    return 0;
}
