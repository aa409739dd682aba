/* SPDX-License-Identifier: BSD-2-Clause */
/* A signal handler that interrupts an allocation forks, 500 times, while other threads allocate: the child ends, and
 * all threads go on, with blocks that are whole. A child of a process with one thread goes on, too. */
#include "check.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>

enum { THREADS = 3, SIGNALS = 500, CHILD = 3 };

static sem_t handled;
static atomic_bool stop;
static memkind_t file;
static volatile sig_atomic_t n_handled;
/* In a child whose handler has returned. */
static volatile sig_atomic_t is_child;

static void fork_in_handler(int signal)
{
    const int error = errno;

    (void)signal;
    const pid_t child = fork();
    if (child == 0) {
        _exit(CHILD);
    }
    CHECK(child > 0);
    CHECK_INT(CHILD, child_wait(child));
    sem_post(&handled);
    errno = error;
}

/* One step of allocating: blocks of all sizes, of kinds of memory and of a file. */
static void step(unsigned i)
{
    const memkind_t kinds[] = {MEMKIND_DEFAULT, MEMKIND_REGULAR, file};
    const size_t first = 1 + i * 37 % 70000, second = 1 + i * 91 % 70000;
    const char mark = (char)(i % 100 + 1);
    char *block = memkind_malloc(kinds[i % 3], first);

    CHECK_NOT_NULL(block);
    block[0] = mark;
    block[first - 1] = mark;
    block = memkind_realloc(NULL, block, second);
    CHECK_NOT_NULL(block);
    CHECK_INT(mark, block[0]);
    memset(block, mark, second);
    memkind_free(NULL, block);
}

static void *allocate(void *start)
{
    unsigned i = *(unsigned *)start;

    while (!stop) {
        step(i++);
    }
    return NULL;
}

static void in_threads(void)
{
    pthread_t threads[THREADS];
    unsigned starts[THREADS] = {0, 1000, 2000};

    CHECK_INT(0, sem_init(&handled, 0, 0));
    CHECK(signal(SIGUSR1, fork_in_handler) != SIG_ERR);
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(0, pthread_create(&threads[i], NULL, allocate, &starts[i]));
    }
    for (int i = 0; i < SIGNALS; i++) {
        CHECK_INT(0, pthread_kill(threads[i % THREADS], SIGUSR1));
        while (sem_wait(&handled) != 0) {
        }
    }
    stop = true;
    for (int i = 0; i < THREADS; i++) {
        CHECK_INT(0, pthread_join(threads[i], NULL));
    }
}

/* Forks in a handler; the child goes on where it was interrupted, and the parent waits for it. */
static void go_on_in_child(int signal)
{
    (void)signal;
    n_handled++;
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        is_child = 1;
        return;
    }
    CHECK_INT(CHILD, child_wait(child));
}

static void in_children(void)
{
    const struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};

    CHECK(signal(SIGVTALRM, go_on_in_child) != SIG_ERR);
    CHECK_INT(0, setitimer(ITIMER_VIRTUAL, &often, NULL));
    for (unsigned i = 0; n_handled < 100 && !is_child; i++) {
        step(i);
    }
    if (is_child) {
        for (unsigned i = 0; i < 300; i++) {
            step(i);
        }
        const pid_t child = fork();
        if (child == 0) {
            step(1);
            _exit(CHILD);
        }
        _exit(child_wait(child));
    }
    CHECK_INT(0, setitimer(ITIMER_VIRTUAL, &never, NULL));
}

int main(void)
{
    if (original()) {
        SKIP("the original hangs");
    }
    /* A hang ends here. */
    alarm(100);
    CHECK_INT(0, memkind_create_pmem(test_dir(), 0, &file));
    in_children();
    in_threads();
    step(1);
    CHECK_INT(0, memkind_destroy_kind(file));
    return 0;
}
