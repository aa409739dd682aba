/* SPDX-License-Identifier: BSD-2-Clause */
/* To ask for bandwidth and latency neither moves the calling thread to other CPUs, nor needs to know which it may use: a
 * sandbox may forbid both. Left alone, libhwloc moves it to each CPU in turn, and loops for ever where it may not ask. */
#include "forbid.h"
#include "machine.h"

#include <signal.h>

static memkind_t *const kinds[] = {&MEMKIND_HIGHEST_CAPACITY_LOCAL, &MEMKIND_LOWEST_LATENCY_LOCAL,
                                   &MEMKIND_HIGHEST_BANDWIDTH_LOCAL, &MEMKIND_HBW};
enum { N_KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* Codes as they are without a sandbox, from a child; shared. */
static int *usual;

static void ask(void)
{
    for (int i = 0; i < N_KINDS; i++) {
        usual[i] = memkind_check_available(*kinds[i]);
    }
}

static void ask_in_sandbox(void)
{
    signal(SIGALRM, SIG_DFL);
    alarm(60);
    for (int i = 0; i < N_KINDS; i++) {
        CHECK_INT(usual[i], memkind_check_available(*kinds[i]));
    }
}

static void cpus_unknown(void)
{
    forbid(SYS_sched_getaffinity, EPERM);
    ask_in_sandbox();
}

/* SIGSYS ends the child. */
static void thread_stays(void)
{
    forbid_with(SYS_sched_setaffinity, SECCOMP_RET_KILL_PROCESS);
    ask_in_sandbox();
}

int main(void)
{
    if (original()) {
        SKIP("the original lets libhwloc move the thread");
    }
    usual = mmap(NULL, sizeof(int) * N_KINDS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(usual != MAP_FAILED);
    CHECK_CHILD(run_forked(need_hwloc));
    CHECK_CHILD(run_forked(ask));
    CHECK_CHILD(run_forked(cpus_unknown));
    CHECK_CHILD(run_forked(thread_stays));
    return 0;
}
