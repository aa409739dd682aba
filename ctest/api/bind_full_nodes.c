/* SPDX-License-Identifier: BSD-2-Clause */
/* A kind that is bound to nodes hands out no more than they have: then NULL and ENOMEM, also while
 * nothing has been touched (memkind(3), ERRORS). What is freed can be had again, by any kind on these
 * nodes. MEMKIND_OVERCOMMIT=1 turns the comparison off. Difference: the original hands out more and the
 * kernel ends the process when it is touched. That no process is ended is tested on booted machines
 * (ctest/numa/exhaustion.c). */
#include "machine.h"
#include "output.h"

#define CHUNK (64 * MIB)
#define MAX_CHUNKS 65536

static void *chunks[MAX_CHUNKS];

/* Takes chunks up to a limit in bytes, touching none; how many there were. */
static size_t take(memkind_t kind, size_t limit)
{
    size_t n = 0;

    for (; n < MAX_CHUNKS && n * CHUNK < limit; n++) {
        errno = 0;
        chunks[n] = memkind_malloc(kind, CHUNK);
        if (chunks[n] == NULL) {
            CHECK_INT(ENOMEM, errno);
            break;
        }
    }
    return n;
}

/* Fails unless at least `share` fifths of what was within reach at the beginning could be taken; skips if other
 * programs have it. */
static void check_taken(size_t n, size_t available, size_t share)
{
    if (n * CHUNK <= available / 5 * share && available >= 10 * CHUNK) {
        skip_if_others_took(available, available / 10);
        FAIL("%zu of %zu MiB", n * CHUNK / MIB, available / MIB);
    }
}

static void give_back(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        memkind_free(NULL, chunks[i]);
    }
}

int main(int argc, char **argv)
{
    const bool bounded = argc > 1 && strcmp(argv[1], "bounded") == 0;

    if (argc == 1) {
        CHECK_CHILD(run_again("bounded", ENV("MEMKIND_OVERCOMMIT", "MEMKIND_HBW_NODES=all")));
        CHECK_CHILD(run_again("bounded", ENV("MEMKIND_OVERCOMMIT=2", "MEMKIND_HBW_NODES=all")));
        CHECK_CHILD(run_again("unbounded", ENV("MEMKIND_OVERCOMMIT=1", "MEMKIND_HBW_NODES=all")));
        return 0;
    }
    need_bound_kinds();
    const size_t available = memory_within_reach();
    const size_t much = available + meminfo("MemTotal") / 2;
    size_t n = take(MEMKIND_HBW_ALL, much);
    if (!bounded || original()) {
        CHECK(n * CHUNK >= much);
        return 0;
    }
    /* Others use memory meanwhile; a fifth is room enough for that. */
    CHECK(n * CHUNK < much);
    check_taken(n, available, 4);
    give_back(n);
    n = take(MEMKIND_HBW_ALL, much);
    check_taken(n, available, 3);
    give_back(n);
    /* Another kind on the same nodes, while the first still keeps what was freed. */
    n = take(MEMKIND_HIGHEST_CAPACITY, much);
    CHECK(n * CHUNK < much);
    check_taken(n, available, 2);
    /* One request for more than there is. */
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(MEMKIND_HBW_ALL, available));
    return 0;
}
