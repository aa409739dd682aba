/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that has met a full kind for long, freeing its oldest block each time, still gets what another
 * thread frees: after a few refusals, if not at once. And when it has freed all, nothing is refused. */
#include "pmem.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <time.h>

#define AREA (64 * MIB)

enum { SIZE = 1000, THEIRS = 24000, OURS = 65536, REFUSALS = 100, SECONDS = 1, LARGE = 300 };

static memkind_t kind;
static sem_t its_turn, our_turn;

static void *hold(void *unused)
{
    void **theirs = calloc(THEIRS, sizeof(*theirs));

    (void)unused;
    CHECK_NOT_NULL(theirs);
    for (int i = 0; i < THEIRS; i++) {
        theirs[i] = memkind_malloc(kind, SIZE);
        CHECK_NOT_NULL(theirs[i]);
    }
    CHECK_INT(0, sem_post(&our_turn));
    CHECK_INT(0, sem_wait(&its_turn));
    for (int i = 0; i < THEIRS; i++) {
        memkind_free(kind, theirs[i]);
    }
    free(theirs);
    CHECK_INT(0, sem_post(&our_turn));
    CHECK_INT(0, sem_wait(&its_turn));
    return NULL;
}

/* Blocks of many sizes, so that what is free is never of the right one. In the end they stay, or go. */
static void evict_for_long(bool stay)
{
    void **ring = calloc(OURS, sizeof(*ring));
    unsigned random = 1, head = 0, tail = 0;
    const time_t end = time(NULL) + SECONDS + 1;

    CHECK_NOT_NULL(ring);
    while (time(NULL) < end) {
        const size_t size = 64 + (unsigned)rand_r(&random) % 4000;
        void *block;

        while ((block = memkind_malloc(kind, size)) == NULL) {
            CHECK(tail != head);
            memkind_free(kind, ring[tail++ % OURS]);
        }
        CHECK(head - tail < OURS);
        ring[head++ % OURS] = block;
    }
    while (!stay && tail != head) {
        memkind_free(kind, ring[tail++ % OURS]);
    }
    free(ring);
}

static void check_others(memkind_t made)
{
    pthread_t thread;
    int got = 0, refused = 0;

    kind = made;
    CHECK_INT(0, sem_init(&its_turn, 0, 0));
    CHECK_INT(0, sem_init(&our_turn, 0, 0));
    CHECK_INT(0, pthread_create(&thread, NULL, hold, NULL));
    CHECK_INT(0, sem_wait(&our_turn));
    evict_for_long(true);
    CHECK_INT(0, sem_post(&its_turn));
    CHECK_INT(0, sem_wait(&our_turn));
    while (got < THEIRS * 9 / 10 && refused < REFUSALS) {
        if (memkind_malloc(kind, SIZE) != NULL) {
            got++;
        } else {
            refused++;
        }
    }
    if (refused == REFUSALS) {
        FAIL("only %d of %d blocks that another thread has freed", got, THEIRS);
    }
    CHECK_INT(0, sem_post(&its_turn));
    CHECK_INT(0, pthread_join(thread, NULL));
    CHECK_INT(0, memkind_destroy_kind(kind));
}

static void check_large(memkind_t made, size_t unit)
{
    kind = made;
    evict_for_long(false);
    for (int i = 0; i < LARGE; i++) {
        const size_t size = (size_t)(i % 7 + 1) * unit;
        void *block = memkind_malloc(kind, size);

        if (block == NULL) {
            FAIL("no block of %zu in an empty kind, in round %d", size, i);
        }
        memkind_free(kind, block);
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

static memkind_t make_fixed(void *area)
{
    memkind_t made = NULL;

    CHECK_INT(0, memkind_create_fixed(area, AREA, &made));
    return made;
}

int main(void)
{
    void *area = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (original()) {
        SKIP("another thread's arena is not asked, so a kind may look full that is not");
    }
    CHECK(area != MAP_FAILED);
    /* An area goes to arenas in pieces, which no block is across. */
    check_large(make_fixed(area), MIB);
    check_large(make_pmem(test_dir(), AREA), 7 * MIB);
    check_others(make_fixed(area));
    check_others(make_pmem("/dev/shm", AREA));
    CHECK_INT(0, munmap(area, AREA));
    return 0;
}
