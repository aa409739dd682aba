/* SPDX-License-Identifier: BSD-2-Clause */
/* Which errors each system call can have that the library makes: a row for each call. A call without a row
 * makes inject fail, so that it gets one. */
#ifndef MEMKIND_CTEST_FAULTS_CALLS_H
#define MEMKIND_CTEST_FAULTS_CALLS_H

#include <errno.h>
#include <sys/syscall.h>

/* How a call is made to fail. */
enum manner {
    NEVER,    /* it cannot fail where the library calls it, or its failure is no state that a kernel has */
    INSTEAD,  /* the call is not made */
    AFTER,    /* the call is made, and its result replaced: a descriptor is closed whatever close(2) says */
    NOT_EVER, /* INSTEAD, once only: a thread that waits tries again */
};

struct call {
    long number;
    const char *name;
    enum manner manner;
    int errors[7];
};

#define CALL(name, ...) {SYS_##name, #name, __VA_ARGS__}

static const struct call calls[] = {
    CALL(mmap, INSTEAD, {ENOMEM, EAGAIN, EPERM}),
    CALL(munmap, INSTEAD, {ENOMEM}),
    CALL(mremap, INSTEAD, {ENOMEM, EAGAIN}),
    CALL(mprotect, INSTEAD, {ENOMEM, EACCES}),
    CALL(madvise, INSTEAD, {ENOMEM, EINVAL, EAGAIN, EIO, EPERM}),
    CALL(mlock, INSTEAD, {ENOMEM, EAGAIN, EPERM}),
    CALL(mlock2, INSTEAD, {ENOMEM, EAGAIN, EPERM, ENOSYS}),
    CALL(munlock, INSTEAD, {ENOMEM}),
    CALL(mincore, INSTEAD, {ENOMEM, EAGAIN}),
    CALL(mbind, INSTEAD, {ENOMEM, EINVAL, EIO, EPERM, ENOSYS}),
    CALL(get_mempolicy, INSTEAD, {EINVAL, EPERM, ENOSYS}),
    CALL(set_mempolicy, INSTEAD, {ENOMEM, EINVAL, EPERM, ENOSYS}),
    CALL(move_pages, INSTEAD, {ENOMEM, ENOENT, EPERM, ENOSYS}),
    CALL(open, INSTEAD, {EMFILE, ENFILE, ENOENT, EACCES, ENOMEM, ENOSPC, EOPNOTSUPP}),
    CALL(openat, INSTEAD, {EMFILE, ENFILE, ENOENT, EACCES, ENOMEM, ENOSPC, EOPNOTSUPP}),
    CALL(close, AFTER, {EIO, EINTR, ENOSPC, EDQUOT}),
    CALL(read, INSTEAD, {EIO, EINTR}),
    CALL(pread64, INSTEAD, {EIO, EINTR}),
    CALL(write, INSTEAD, {EIO, EINTR, ENOSPC, EPIPE}),
    CALL(writev, INSTEAD, {EIO, EINTR, ENOSPC, EPIPE}),
    CALL(pwrite64, INSTEAD, {EIO, EINTR, ENOSPC, EDQUOT}),
    /* ENXIO is an answer: nothing but a hole follows. */
    CALL(lseek, INSTEAD, {EINVAL}),
    CALL(fstat, INSTEAD, {EIO, ENOMEM, EOVERFLOW}),
    CALL(newfstatat, INSTEAD, {EACCES, ENOENT, ENOMEM}),
    CALL(statx, INSTEAD, {EACCES, ENOENT, ENOMEM, ENOSYS}),
    CALL(stat, INSTEAD, {EACCES, ENOENT, ENOMEM}),
    CALL(statfs, INSTEAD, {EACCES, EIO, ENOMEM, ENOSYS}),
    CALL(fstatfs, INSTEAD, {EIO, EINTR, ENOMEM, ENOSYS}),
    CALL(access, INSTEAD, {EACCES, ENOENT, ENOMEM}),
    CALL(faccessat, INSTEAD, {EACCES, ENOENT, ENOMEM}),
    CALL(faccessat2, INSTEAD, {EACCES, ENOENT, ENOMEM, ENOSYS}),
    CALL(readlink, INSTEAD, {EACCES, ENOENT, ENOMEM}),
    CALL(readlinkat, INSTEAD, {EACCES, ENOENT, ENOMEM}),
    CALL(getdents64, INSTEAD, {ENOENT, EIO}),
    CALL(ftruncate, INSTEAD, {EINTR, EIO, EPERM, ENOSPC, EFBIG}),
    CALL(fallocate, INSTEAD, {ENOSPC, EOPNOTSUPP, EINTR, EIO, EDQUOT, ENOMEM}),
    CALL(unlink, INSTEAD, {EACCES, EIO, ENOMEM}),
    CALL(memfd_create, INSTEAD, {EMFILE, ENFILE, ENOMEM, ENOSYS}),
    CALL(dup3, INSTEAD, {EMFILE, EBUSY, EINTR}),
    CALL(dup, INSTEAD, {EMFILE}),
    CALL(pipe2, INSTEAD, {EMFILE, ENFILE}),
    CALL(fcntl, INSTEAD, {EINVAL, EMFILE}),
    CALL(ioctl, INSTEAD, {ENOTTY, EINVAL, EIO}),
    CALL(process_vm_readv, INSTEAD, {EFAULT, EPERM, ENOMEM, ENOSYS}),
    CALL(membarrier, INSTEAD, {ENOSYS, EPERM, ENOMEM}),
    CALL(sched_getaffinity, INSTEAD, {EINVAL, EPERM, ENOSYS}),
    CALL(sched_setaffinity, INSTEAD, {EINVAL, EPERM}),
    CALL(prctl, INSTEAD, {EINVAL, EPERM}),
    CALL(prlimit64, INSTEAD, {EPERM}),
    CALL(getrandom, INSTEAD, {ENOSYS}),
    CALL(sysinfo, INSTEAD, {EPERM}),
    CALL(clone, INSTEAD, {EAGAIN, ENOMEM, EPERM}),
    CALL(clone3, INSTEAD, {EAGAIN, ENOMEM, ENOSYS}),
    CALL(fork, INSTEAD, {EAGAIN, ENOMEM}),
    CALL(wait4, NOT_EVER, {EINTR}),
    /* A thread that is not woken waits for ever. */
    CALL(futex, NEVER, {0}),
    CALL(clock_gettime, INSTEAD, {EPERM}),
    /* The program break is moved by the C library only. */
    CALL(brk, NEVER, {0}),
    CALL(rt_sigprocmask, NEVER, {0}),
    CALL(rt_sigaction, NEVER, {0}),
    CALL(sigaltstack, NEVER, {0}),
    CALL(sched_yield, NEVER, {0}),
    CALL(getcpu, NEVER, {0}),
    CALL(getpid, NEVER, {0}),
    CALL(gettid, NEVER, {0}),
    CALL(getuid, NEVER, {0}),
    CALL(geteuid, NEVER, {0}),
    CALL(getgid, NEVER, {0}),
    CALL(getegid, NEVER, {0}),
    CALL(uname, NEVER, {0}),
    CALL(arch_prctl, NEVER, {0}),
    CALL(set_tid_address, NEVER, {0}),
    CALL(set_robust_list, NEVER, {0}),
    CALL(rseq, NEVER, {0}),
    CALL(exit, NEVER, {0}),
    CALL(exit_group, NEVER, {0}),
    CALL(execve, NEVER, {0}),
    CALL(tgkill, NEVER, {0}),
    CALL(rt_sigreturn, NEVER, {0}),
    CALL(clock_nanosleep, NEVER, {0}),
    CALL(restart_syscall, NEVER, {0}),
};

#define N_CALLS (sizeof(calls) / sizeof(calls[0]))

/* Whether an error tells what the system is like, and not what it is short of: the next call is told the same. */
static inline int is_fact(long call, int error)
{
    return error == ENOSYS || error == ENOENT || error == EACCES || error == EPERM || error == EINVAL ||
           error == EOPNOTSUPP || error == ENOTTY || (error == ENOSPC && call == SYS_openat);
}

/* What a program tells inject, in the first argument of prctl(2): whether the calls that follow, in any
 * thread, may fail. The answer is how many have failed since the last time, with FAULTS_FACT if it is_fact; -1 without inject. */
#define FAULTS_MARK 0x6d6b0001
#define FAULTS_FACT 0x40000000
/* In the answer, too: munmap(2) has failed, so that addresses stay mapped, without memory. */
#define FAULTS_KEPT 0x20000000

#endif
