/* SPDX-License-Identifier: BSD-2-Clause */
/* A request that no file can serve, for its size or its alignment, is ENOMEM and costs a file-backed kind
 * nothing: large blocks can be had afterwards, as often as it is asked. Difference: the original takes no
 * notice of large alignments. */
#include "pmem.h"
#include "process.h"

static const size_t sizes[] = {(size_t)1 << 45, (size_t)1 << 46, (size_t)1 << 47, (size_t)1 << 50,
                               (size_t)1 << 62, PTRDIFF_MAX,     SIZE_MAX};

/* A large block and a small one. */
static void check_alive(memkind_t kind)
{
    char *large = memkind_malloc(kind, 8 * MIB), *small = memkind_malloc(kind, 1000);

    CHECK_NOT_NULL(large);
    CHECK_NOT_NULL(small);
    fill(large, 8 * MIB, 1);
    fill(small, 1000, 2);
    CHECK(holds(large, 8 * MIB, 1) && holds(small, 1000, 2));
    memkind_free(kind, large);
    memkind_free(kind, small);
}

static void ask_for_size(memkind_t kind, size_t size)
{
    char *block = memkind_malloc(kind, 100);
    void *result = NULL;

    fill(block, 100, 3);
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, size));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_calloc(kind, 1, size));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_realloc(kind, block, size));
    CHECK_INT(ENOMEM, memkind_posix_memalign(kind, &result, 4096, size));
    CHECK_NULL(result);
    CHECK(holds(block, 100, 3));
    memkind_free(kind, block);
}

static void ask_for_alignment(memkind_t kind, size_t alignment)
{
    void *result = NULL;
    const int code = memkind_posix_memalign(kind, &result, alignment, 100);

    CHECK(code == 0 || code == ENOMEM);
    CHECK_INT(0, code == 0 ? (uintptr_t)result & (alignment - 1) : 0);
    memkind_free(kind, result);
}

/* What a kind has freed it can give again, so each request meets a new kind. */
static void check(size_t limit)
{
    static char context[64];

    check_context = context;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memkind_t kind = make_pmem(test_dir(), limit);
        const size_t before = address_space();

        snprintf(context, sizeof(context), "limit %zu, size %zu", limit, sizes[i]);
        for (unsigned round = 0; round < 30; round++) {
            ask_for_size(kind, sizes[i]);
        }
        if (!original()) {
            CHECK(address_space() - before < GIB);
        }
        check_alive(kind);
        CHECK_INT(0, memkind_destroy_kind(kind));
    }
    for (unsigned bits = 63; bits > 30 && !original(); bits--) {
        memkind_t kind = make_pmem(test_dir(), limit);

        snprintf(context, sizeof(context), "limit %zu, alignment 2^%u", limit, bits);
        for (unsigned round = 0; round < 10; round++) {
            ask_for_alignment(kind, (size_t)1 << bits);
        }
        check_alive(kind);
        CHECK_INT(0, memkind_destroy_kind(kind));
    }
}

int main(void)
{
    check(0);
    check(32 * MIB);
    check(300 * MIB);
    return 0;
}
