/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMKIND_DEFAULT works before any constructor of the library has run, and after the last destructor:
 * preload libraries send every malloc of the process through it. */
#include "check.h"

static void *early;
static char *kept;

static void after_destructors(int status, void *argument)
{
    (void)argument;
    CHECK_INT(0, status);
    CHECK(holds(kept, 5000, 2));
    kept = memkind_realloc(MEMKIND_DEFAULT, kept, 50000);
    CHECK_NOT_NULL(kept);
    CHECK(holds(kept, 5000, 2));
    memkind_free(MEMKIND_DEFAULT, kept);
    memkind_free(NULL, early);
    void *block = memkind_calloc(MEMKIND_DEFAULT, 100, 100);
    CHECK_NOT_NULL(block);
    memkind_free(MEMKIND_DEFAULT, block);
}

/* Handlers run last in, first out, and the loader's, which runs all destructors, is not yet in. */
static void before_constructors(void)
{
    early = memkind_malloc(MEMKIND_DEFAULT, 100);
    CHECK_NOT_NULL(early);
    fill(early, 100, 1);
    void *block = NULL;
    CHECK_INT(0, memkind_posix_memalign(MEMKIND_DEFAULT, &block, 64, 1000));
    CHECK_NOT_NULL(block);
    memkind_free(MEMKIND_DEFAULT, block);
    CHECK_INT(0, on_exit(after_destructors, NULL));
}

__attribute__((section(".preinit_array"), used)) static void (*const before)(void) = before_constructors;

int main(void)
{
    CHECK_NOT_NULL(early);
    CHECK(holds(early, 100, 1));
    CHECK_PTR(MEMKIND_DEFAULT, memkind_detect_kind(early));
    kept = memkind_malloc(MEMKIND_DEFAULT, 5000);
    CHECK_NOT_NULL(kept);
    fill(kept, 5000, 2);
    return 0;
}
