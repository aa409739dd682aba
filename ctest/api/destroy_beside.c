/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread makes kinds that grow, fills them with gaps and destroys them. Others, which use another kind,
 * have nothing to do with it, whatever the library puts in order when arenas grow. */
#include <stdatomic.h>

#include "machine.h"
#include "pmem.h"
#include "threads.h"

enum { OTHERS = 3, KINDS = 12, BLOCKS = 1200, HELD = 512 };

static atomic_bool stop;

static void *use_another(void *unused)
{
    char *held[HELD] = {NULL};

    (void)unused;
    for (size_t i = 0; !stop; i++) {
        char **place = &held[i % HELD];

        memkind_free(MEMKIND_REGULAR, *place);
        *place = memkind_malloc(MEMKIND_REGULAR, 70000 + i % 7 * 4096);
        CHECK_NOT_NULL(*place);
        **place = 1;
    }
    for (size_t i = 0; i < HELD; i++) {
        memkind_free(MEMKIND_REGULAR, held[i]);
    }
    return NULL;
}

static void fill_and_destroy(void)
{
    static char *blocks[BLOCKS];
    memkind_t kind = make_pmem(test_dir(), 0);

    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_malloc(kind, i % 2 == 0 ? 68 * KIB : 80 * KIB);
        CHECK_NOT_NULL(blocks[i]);
        *blocks[i] = 1;
    }
    for (size_t i = 1; i < BLOCKS; i += 2) {
        memkind_free(kind, blocks[i]);
    }
    /* Too large for the gaps: the arena grows. */
    for (size_t i = 0; i < 60; i++) {
        CHECK_NOT_NULL(memkind_malloc(kind, 900000));
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    pthread_t others[OTHERS];

    start_threads(others, OTHERS, use_another, NULL, 0);
    for (size_t i = 0; i < KINDS; i++) {
        fill_and_destroy();
    }
    stop = true;
    join_threads(others, OTHERS);
    return 0;
}
