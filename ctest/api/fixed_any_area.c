/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_create_fixed takes any address and size as they are: the capacity is the size given, and an
 * area too small for a page gives no block. */
#include "check.h"

#include <sys/mman.h>

enum { PAGE = HEAP_PAGE };

static char area[16 * PAGE] __attribute__((aligned(HEAP_PAGE)));

static void check(void *address, size_t size, size_t fits)
{
    memkind_t kind = NULL;

    CHECK_INT(0, memkind_create_fixed(address, size, &kind));
    CHECK_NOT_NULL(kind);
    CHECK_INT(size, memkind_get_capacity(kind));
    CHECK_INT(0, memkind_check_available(kind));
    if (fits == 0) {
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, 16));
    } else {
        char *block = memkind_malloc(kind, fits);
        CHECK_NOT_NULL(block);
        CHECK(block >= (char *)address && block + fits <= (char *)address + size);
        CHECK_PTR(kind, memkind_detect_kind(block));
        fill(block, fits, 1);
        memkind_free(kind, block);
    }
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, size + 1));
    CHECK_INT(0, memkind_destroy_kind(kind));
}

static void check_same_start(void)
{
    memkind_t first = NULL;
    memkind_t second = MEMKIND_DEFAULT;

    CHECK_INT(0, memkind_create_fixed(area, 4 * PAGE, &first));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_fixed(area, 8 * PAGE, &second));
    CHECK_NULL(second);
    CHECK_INT(4 * PAGE, memkind_get_capacity(first));
    CHECK_NOT_NULL(memkind_malloc(first, 16));
    CHECK_INT(0, memkind_destroy_kind(first));
    CHECK_INT(0, memkind_create_fixed(area, 8 * PAGE, &second));
    CHECK_INT(8 * PAGE, memkind_get_capacity(second));
    CHECK_INT(0, memkind_destroy_kind(second));
}

int main(void)
{
    check(MAP_FAILED, 0, 0);
    check(NULL, 0, 0);
    check(area, 0, 0);
    check(area, 25, 0);
    check(area + 1, 87, 0);
    check(area, 1024, 0);
    check(area, PAGE - 1, 0);
    check(area, PAGE, 16);
    check(area, 2 * PAGE, 16);
    check(area + 1, PAGE, 0);
    check(area + 1, 2 * PAGE, 16);
    check(area + 8, 4 * PAGE, 16);
    check(area + 12, 4 * PAGE, 1000);
    check_same_start();
    return 0;
}
