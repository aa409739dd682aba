/* SPDX-License-Identifier: BSD-2-Clause */
/* A signal handler that forks may interrupt fork at any point, also between the library's own fork handlers.
 * It runs once for each signal, in the parent and in the child, and the signal mask is as before the fork. */
#include "check.h"

#include <pthread.h>
#include <signal.h>

static bool interrupts;
static volatile sig_atomic_t n_handled;

/* Before the constructors of every library: so these run between the library's handlers. */
static void in_fork(void)
{
    if (interrupts) {
        raise(SIGUSR1);
    }
}

static void register_first(void)
{
    pthread_atfork(in_fork, in_fork, in_fork);
}

__attribute__((section(".preinit_array"), used)) static void (*const at_start)(void) = register_first;

static void end_child(void)
{
    memkind_free(NULL, memkind_malloc(MEMKIND_REGULAR, 100));
    _exit(3);
}

static void fork_in_handler(int signal)
{
    const bool before = interrupts;

    (void)signal;
    n_handled++;
    interrupts = false;
    const pid_t child = fork();
    if (child == 0) {
        end_child();
    }
    CHECK_INT(3, child_wait(child));
    interrupts = before;
}

static void check_mask(const sigset_t *expected)
{
    sigset_t mask;

    CHECK_INT(0, pthread_sigmask(SIG_SETMASK, NULL, &mask));
    for (int signal = 1; signal < SIGRTMAX; signal++) {
        CHECK_INT(sigismember(expected, signal), sigismember(&mask, signal));
    }
}

/* Three signals, at the three moments, wait for the last handler of a fork: one is left of those before. */
static void interrupt_inside(void)
{
    sigset_t mask;

    CHECK_INT(0, pthread_sigmask(SIG_SETMASK, NULL, &mask));
    for (int i = 0; i < 20; i++) {
        interrupts = true;
        n_handled = 0;
        const pid_t child = fork();
        interrupts = false;
        check_mask(&mask);
        CHECK_INT(1, n_handled);
        if (child == 0) {
            end_child();
        }
        CHECK_INT(3, child_wait(child));
    }
}

static void *fork_and_be_interrupted(void *thread_to_interrupt)
{
    const pthread_t *target = thread_to_interrupt;

    for (int i = 0; i < 100; i++) {
        const pid_t child = fork();
        if (child == 0) {
            end_child();
        }
        pthread_kill(*target, SIGUSR1);
        CHECK_INT(3, child_wait(child));
    }
    return NULL;
}

int main(void)
{
    static pthread_t self, other;
    sigset_t some;

    if (original()) {
        SKIP("the original hangs");
    }
    memkind_free(NULL, memkind_malloc(MEMKIND_REGULAR, 100));
    CHECK(signal(SIGUSR1, fork_in_handler) != SIG_ERR);
    interrupt_inside();
    sigemptyset(&some);
    sigaddset(&some, SIGUSR2);
    sigaddset(&some, SIGCHLD);
    CHECK_INT(0, pthread_sigmask(SIG_BLOCK, &some, NULL));
    interrupt_inside();

    /* Two threads that fork, each of which interrupts the other anywhere. */
    self = pthread_self();
    CHECK_INT(0, pthread_create(&other, NULL, fork_and_be_interrupted, &self));
    fork_and_be_interrupted(&other);
    CHECK_INT(0, pthread_join(other, NULL));
    return 0;
}
