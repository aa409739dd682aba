/* SPDX-License-Identifier: BSD-2-Clause */
/* The system calls that a child makes, counted by ptrace. */
#ifndef MEMKIND_CTEST_CALLS_H
#define MEMKIND_CTEST_CALLS_H

#include "check.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

struct calls {
    /* How often the child entered the kernel. */
    long number;
    /* How often fallocate(2) refused it. */
    long refusals;
};

/* Counts the system calls of a child that does `work`. Skips where that is not possible. */
static inline struct calls calls_of(void (*work)(void))
{
    struct calls calls = {0, 0};
    bool allocates = false;
    int status;
    const pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
            _exit(77);
        }
        raise(SIGSTOP);
        work();
        _exit(0);
    }
    while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        struct __ptrace_syscall_info info = {0};
        const int sig = WSTOPSIG(status);
        const bool is_call = sig == (SIGTRAP | 0x80);
        if (sig == SIGSTOP) {
            CHECK_INT(0, ptrace(PTRACE_SETOPTIONS, child, NULL, (long)PTRACE_O_TRACESYSGOOD));
        }
        if (is_call && ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof(info), &info) > 0) {
            if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
                calls.number++;
                allocates = info.entry.nr == SYS_fallocate;
            } else if (allocates && info.exit.is_error) {
                calls.refusals++;
            }
        }
        CHECK_INT(0, ptrace(PTRACE_SYSCALL, child, NULL, is_call || sig == SIGSTOP ? 0 : (long)sig));
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        SKIP("ptrace is not allowed here");
    }
    CHECK_INT(0, status);
    if (calls.number == 0) {
        SKIP("the kernel does not tell about calls (before Linux 5.3)");
    }
    return calls;
}

#endif
