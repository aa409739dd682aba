/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that turns to other memory when a node is full asks for each block again: the kernel is not
 * asked each time. What another thread or another kind gives back is found soon all the same.
 * Difference: the original refuses nothing. */
#include "machine.h"
#include "output.h"
#include "threads.h"

enum { TIMES = 20000, THEIRS = 500, TRIES = 1000 };

#define SIZE (64 * KIB)
#define LARGEST GIB
#define MAX_CHUNKS 65536

static memkind_t kind;
static void *chunks[MAX_CHUNKS];
static size_t n_chunks;

/* Number of reads of files by this process; 0 if the kernel does not count them. */
static size_t n_reads(void)
{
    return proc_bytes("/proc/self/io", "syscr") / KIB;
}

/* Allocates until the nodes are full, touching nothing. */
static void take_all(void)
{
    for (size_t size = LARGEST; size >= SIZE; size /= 4) {
        void *chunk;

        while (n_chunks < MAX_CHUNKS && (chunk = memkind_malloc(kind, size)) != NULL) {
            chunks[n_chunks++] = chunk;
        }
    }
    CHECK(n_chunks < MAX_CHUNKS);
}

/* Asks for blocks of `size` bytes until `times` have been refused; other processes may give memory back meanwhile. */
static void be_refused(memkind_t by, size_t size, int times)
{
    while (times > 0) {
        times -= memkind_malloc(by, size) == NULL;
    }
}

/* Allocates `wanted` blocks of `size` bytes that another thread or kind has freed, with pauses of a millisecond
 * after a refusal. Skips if other programs have taken more than `room` bytes since `before` bytes were within reach. */
static void get(memkind_t from, int wanted, size_t size, size_t before, size_t room)
{
    int got = 0;

    for (int tries = 0; got < wanted && tries < TRIES;) {
        if (memkind_malloc(from, size) != NULL) {
            got++;
        } else {
            tries++;
            usleep(1000);
        }
    }
    if (got < wanted) {
        skip_if_others_took(before, room);
        FAIL("only %d of %d blocks of %zu KiB that were freed", got, wanted, size / KIB);
    }
}

int main(int argc, char **argv)
{
    struct holder holder;

    (void)argv;
    if (!is_counted(argc)) {
        return 0;
    }
    kind = MEMKIND_HBW_ALL;
    need_bound_kinds();
    start_holder(&holder, kind, SIZE, THEIRS);
    take_all();
    /* Blocks of slabs and of extents, and one that is a mapping of its own. */
    static const size_t sizes[] = {SIZE, 7 * MIB, 9 * MIB};
    for (size_t i = 0; i < 3; i++) {
        be_refused(kind, sizes[i], TIMES);

        const size_t before = n_reads();
        if (before == 0) {
            SKIP("the kernel does not count reads");
        }
        be_refused(kind, sizes[i], TIMES);
        const size_t reads = n_reads() - before;
        if (reads > TIMES / 2) {
            FAIL("%zu reads for %d refusals of %zu KiB", reads, TIMES, sizes[i] / KIB);
        }
    }

    size_t within_reach = memory_within_reach();
    let_holder_free(&holder);
    get(kind, THEIRS * 9 / 10, SIZE, within_reach, THEIRS * SIZE / 20);
    end_holder(&holder);

    be_refused(MEMKIND_HIGHEST_CAPACITY, SIZE, TIMES);
    within_reach = memory_within_reach();
    for (size_t i = 0; i < n_chunks; i++) {
        memkind_free(kind, chunks[i]);
    }
    get(MEMKIND_HIGHEST_CAPACITY, THEIRS, MIB, within_reach, within_reach / 2);
    return 0;
}
