/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that takes and frees a small block of a large alignment, again and again, needs one place for it.
 * Each case has a process of its own: jemalloc may overlook such a place beside others of its size. */
#include "process.h"

static memkind_t kind;
static size_t alignment;

static void body(void)
{
    size_t before = 0;

    for (int i = 0; i < 1000; i++) {
        void *block = NULL;
        if (i == 10) {
            before = address_space();
        }
        CHECK_INT(0, memkind_posix_memalign(kind, &block, alignment, 4096));
        CHECK(aligned(block, alignment));
        memset(block, 1, 4096);
        memkind_free(i % 2 ? kind : NULL, block);
    }
    const size_t more = address_space() - before;
    if (more > 64 * MIB) {
        FAIL("alignment %zu: %zu MiB of addresses more", alignment, more / MIB);
    }
}

int main(void)
{
    for (alignment = 8 * KIB; alignment <= 4 * MIB; alignment *= 8) {
        kind = MEMKIND_DEFAULT;
        CHECK_INT(0, run_forked(body));
        kind = MEMKIND_REGULAR;
        CHECK_INT(0, run_forked(body));
    }
    return 0;
}
