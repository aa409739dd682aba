/* SPDX-License-Identifier: BSD-2-Clause */
/* A process in which a system call fails, by a seccomp filter. */
#ifndef MEMKIND_CTEST_FORBID_H
#define MEMKIND_CTEST_FORBID_H

#include "check.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* From here on this call is answered in this way (SECCOMP_RET_...). */
static inline void forbid_with(int call, unsigned answer)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, answer),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        SKIP("no seccomp filters here: %s", strerror(errno));
    }
}

/* From here on this call fails with this error; more than one may be forbidden. */
static inline void forbid(int call, int error)
{
    forbid_with(call, SECCOMP_RET_ERRNO | (unsigned)error);
}

#endif
