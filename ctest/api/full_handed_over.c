/* SPDX-License-Identifier: BSD-2-Clause */
/* A full kind refuses, takes a request again once another thread has freed a block of that size, and
 * refuses the next one: every time, however often it happens. The freed block may have been the other
 * thread's own, of its own arena. */
#include "pmem.h"

#include <pthread.h>
#include <semaphore.h>

#define AREA (24 * MIB)

enum { ROUNDS = 600, OWN = 32 };

static memkind_t kind;
static sem_t its_turn, our_turn;
static void *given;
static bool done;

static void *work(void *argument)
{
    const size_t size = *(size_t *)argument;
    void *own[OWN];

    for (int i = 0; i < OWN; i++) {
        own[i] = memkind_malloc(kind, size);
        CHECK_NOT_NULL(own[i]);
    }
    for (int i = 0;; i++) {
        CHECK_INT(0, sem_post(&our_turn));
        CHECK_INT(0, sem_wait(&its_turn));
        if (done) {
            return NULL;
        }
        /* Ours gets what it has no more of, so that both have as many as before. */
        void **place = i % 2 ? &own[i % OWN] : &given;
        memkind_free(i % 4 < 2 ? kind : NULL, *place);
        *place = NULL;
        if (i % 2) {
            *place = given;
            given = NULL;
        }
    }
}

static void check(memkind_t made, size_t size)
{
    pthread_t thread;
    void **blocks = calloc(AREA / 64, sizeof(*blocks));
    size_t n = 0;

    kind = made;
    done = false;
    CHECK_NOT_NULL(blocks);
    CHECK_INT(0, sem_init(&its_turn, 0, 0));
    CHECK_INT(0, sem_init(&our_turn, 0, 0));
    CHECK_INT(0, pthread_create(&thread, NULL, work, &size));
    CHECK_INT(0, sem_wait(&our_turn));
    while ((blocks[n] = memkind_malloc(kind, size)) != NULL) {
        n++;
    }
    CHECK(n > 8);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(memkind_malloc(kind, size) == NULL);
        void **place = &blocks[(size_t)i * 7919 % n];
        given = *place;
        CHECK_INT(0, sem_post(&its_turn));
        CHECK_INT(0, sem_wait(&our_turn));
        *place = memkind_malloc(kind, size);
        if (*place == NULL) {
            FAIL("blocks of %zu: none in round %d, although one was freed", size, i);
        }
        CHECK(memkind_malloc(kind, size) == NULL);
    }
    done = true;
    CHECK_INT(0, sem_post(&its_turn));
    CHECK_INT(0, pthread_join(thread, NULL));
    free(blocks);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    static const size_t sizes[] = {64, 1000, 5000, 40 * KIB, 200 * KIB};

    if (original()) {
        SKIP("another thread's arena is not asked, so a kind may look full that is not");
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *area = map_area(AREA);
        check(make_fixed(area, AREA), sizes[i]);
        check(make_pmem(test_dir(), AREA), sizes[i]);
        CHECK_INT(0, munmap(area, AREA));
    }
    return 0;
}
