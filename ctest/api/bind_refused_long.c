/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that turns to other memory when a node is full asks for each block again: the kernel is not
 * asked each time. What another thread or another kind gives back is found soon all the same.
 * Difference: the original refuses nothing. */
#include "machine.h"
#include "output.h"

#include <pthread.h>
#include <semaphore.h>

enum { TIMES = 20000, THEIRS = 500, TRIES = 1000 };

#define SIZE (64 * KIB)
#define LARGEST GIB
#define MAX_CHUNKS 65536

static memkind_t kind;
static void *chunks[MAX_CHUNKS];
static size_t n_chunks;
static sem_t its_turn, our_turn;

/* How often the process has read from files; 0 if the kernel does not count that. */
static size_t n_reads(void)
{
    return proc_bytes("/proc/self/io", "syscr") / KIB;
}

/* Takes all that can be had, touching nothing. */
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

/* Asks for blocks until so many have been refused; others may give memory back meanwhile. */
static void be_refused(memkind_t by, int times)
{
    while (times > 0) {
        times -= memkind_malloc(by, SIZE) == NULL;
    }
}

static void *hold(void *unused)
{
    static void *theirs[THEIRS];

    (void)unused;
    for (int i = 0; i < THEIRS; i++) {
        theirs[i] = memkind_malloc(kind, SIZE);
        CHECK_NOT_NULL(theirs[i]);
    }
    CHECK_INT(0, sem_post(&our_turn));
    CHECK_INT(0, sem_wait(&its_turn));
    for (int i = 0; i < THEIRS; i++) {
        memkind_free(kind, theirs[i]);
    }
    CHECK_INT(0, sem_post(&our_turn));
    CHECK_INT(0, sem_wait(&its_turn));
    return NULL;
}

/* How many of so many blocks can be had, with pauses of a millisecond when there is none. */
static int get(memkind_t from, int wanted, size_t size)
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
    return got;
}

int main(int argc, char **argv)
{
    pthread_t thread;

    if (argc == 1) {
        CHECK_CHILD(run_again("x", ENV("MEMKIND_OVERCOMMIT", "MEMKIND_HBW_NODES=all")));
        return 0;
    }
    (void)argv;
    kind = MEMKIND_HBW_ALL;
    if (original()) {
        SKIP("memory is not counted");
    }
    need_bound_kinds();
    CHECK_INT(0, sem_init(&its_turn, 0, 0));
    CHECK_INT(0, sem_init(&our_turn, 0, 0));
    CHECK_INT(0, pthread_create(&thread, NULL, hold, NULL));
    CHECK_INT(0, sem_wait(&our_turn));
    take_all();
    be_refused(kind, TIMES);

    const size_t before = n_reads();
    if (before == 0) {
        SKIP("the kernel does not count reads");
    }
    be_refused(kind, TIMES);
    const size_t reads = n_reads() - before;
    if (reads > TIMES / 2) {
        FAIL("%zu reads for %d refusals", reads, TIMES);
    }

    CHECK_INT(0, sem_post(&its_turn));
    CHECK_INT(0, sem_wait(&our_turn));
    int got = get(kind, THEIRS * 9 / 10, SIZE);
    if (got < THEIRS * 9 / 10) {
        FAIL("only %d of %d blocks that another thread has freed", got, THEIRS);
    }
    CHECK_INT(0, sem_post(&its_turn));
    CHECK_INT(0, pthread_join(thread, NULL));

    be_refused(MEMKIND_HIGHEST_CAPACITY, TIMES);
    for (size_t i = 0; i < n_chunks; i++) {
        memkind_free(kind, chunks[i]);
    }
    got = get(MEMKIND_HIGHEST_CAPACITY, THEIRS, MIB);
    if (got < THEIRS) {
        FAIL("only %d of %d MiB that another kind has freed", got, THEIRS);
    }
    return 0;
}
