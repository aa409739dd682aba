/* SPDX-License-Identifier: BSD-2-Clause */
/* What is left of a destroyed kind is refused: its blocks by functions that look the kind up, and the
 * kind itself, as is any pointer that is no kind. The original crashes or aborts. */
#include "check.h"

#define N 100

static char area[16 * 1024 * 1024] __attribute__((aligned(4096)));

static void check_no_kind(memkind_t kind)
{
    void *block = &block, *live = memkind_malloc(MEMKIND_REGULAR, 100);
    size_t value;

    CHECK_ALLOC_FAILS(EINVAL, memkind_malloc(kind, 100));
    CHECK_ALLOC_FAILS(EINVAL, memkind_malloc(kind, 10 * MIB));
    CHECK_ALLOC_FAILS(EINVAL, memkind_calloc(kind, 10, 10));
    CHECK_ALLOC_FAILS(EINVAL, memkind_realloc(kind, NULL, 100));
    CHECK_INT(EINVAL, memkind_posix_memalign(kind, &block, 64, 100));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_destroy_kind(kind));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_check_available(kind));
    CHECK_INT(-1, memkind_get_capacity(kind));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_get_stat(kind, MEMKIND_STAT_TYPE_ACTIVE, &value));
    CHECK_INT(112, memkind_malloc_usable_size(MEMKIND_REGULAR, live));
    memkind_free(MEMKIND_REGULAR, live);
}

static void check_destroyed(memkind_t kind)
{
    static const size_t sizes[] = {16, 1000, 20 * KIB, MIB};
    void *blocks[N];

    for (size_t i = 0; i < N; i++) {
        blocks[i] = memkind_malloc(kind, sizes[i % (i < 40 ? 4 : 3)]);
        CHECK_NOT_NULL(blocks[i]);
    }
    for (size_t i = 0; i < N; i += 5) {
        memkind_free(kind, blocks[i]); /* Some are in caches. */
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
    for (size_t i = 0; i < N; i++) {
        CHECK_NULL(memkind_detect_kind(blocks[i]));
        memkind_free(NULL, blocks[i]);
        CHECK_INT(0, memkind_malloc_usable_size(NULL, blocks[i]));
        CHECK_ALLOC_FAILS(EINVAL, memkind_realloc(NULL, blocks[i], 100));
        CHECK_NULL(memkind_realloc(NULL, blocks[i], 0));
        CHECK_NULL(memkind_defrag_reallocate(NULL, blocks[i]));
    }
    check_no_kind(kind);
}

int main(void)
{
    static char no_kind[256] __attribute__((aligned(16)));
    memkind_t kind;
    void *block = memkind_malloc(MEMKIND_REGULAR, 100);

    if (original()) {
        SKIP("1.14.0 crashes on kinds that are gone or never were");
    }
    check_destroyed(make_pmem(test_dir(), 0));
    check_destroyed(make_pmem("/dev/shm", 64 * MIB));
    check_destroyed(make_fixed(area, sizeof(area)));

    check_no_kind((memkind_t)no_kind);
    memset(no_kind, 0xff, sizeof(no_kind));
    check_no_kind((memkind_t)no_kind);
    CHECK_INT(0xff, (unsigned char)no_kind[0]);
    check_no_kind((memkind_t)block);
    check_no_kind((memkind_t)8);
    check_no_kind((memkind_t)((char *)MEMKIND_REGULAR + 8));
    check_no_kind((memkind_t)0x8000000000000000);
    memkind_free(NULL, block);

    /* A new kind is not mistaken for an old one. */
    kind = make_pmem(test_dir(), 0);
    block = memkind_malloc(kind, 1000);
    CHECK_PTR(kind, memkind_detect_kind(block));
    CHECK_INT(0, memkind_destroy_kind(kind));
    return 0;
}
