// SPDX-License-Identifier: BSD-2-Clause
// A process without some system calls, and what the library says there.
#ifndef NUMA_SANDBOX_H
#define NUMA_SANDBOX_H

#include "machine.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#ifndef SYS_set_mempolicy_home_node
#define SYS_set_mempolicy_home_node 450
#endif

#define ANY_MODE -1

// A system call that fails; of mbind, with one mode only if `mode` is one.
struct refusal {
    int call;
    int mode;
    int error;
};

// From here on these calls fail: EPERM is what Docker's standard profile makes of them,
// EINVAL for a mode is what a kernel without it does.
static inline bool refuse(const struct refusal *refusals, size_t n)
{
    struct sock_filter program[64];
    unsigned short at = 0;
    for (size_t i = 0; i < n && at < 56; i++) {
        bool any = refusals[i].mode == ANY_MODE;
        program[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
        program[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)refusals[i].call, 0, any ? 1 : 3);
        if (!any) {
            // The third argument; its lower half comes first.
            program[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2]));
            program[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)refusals[i].mode, 0, 1);
        }
        program[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)refusals[i].error);
    }
    program[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog filter = {at, program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// Collects what the library says from here on.
static int messages = -1;

static inline void listen(void)
{
    messages = memfd_create("messages", MFD_CLOEXEC);
    dup2(messages, STDERR_FILENO);
    setenv("MEMKIND_DEBUG", "1", 1);
}

static inline const char *heard(void)
{
    static char text[16384];
    ssize_t n = pread(messages, text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = 0;
    return text;
}

static inline bool says(const char *word) { return strstr(heard(), word) != NULL; }

#endif
