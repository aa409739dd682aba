/* SPDX-License-Identifier: BSD-2-Clause */
/* A traced program: a seccomp filter stops it at the calls in question, ptrace changes them. */
#include "trace.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How many calls in a row fail with ROW. */
#define IN_A_ROW 3

static struct {
    const struct plan *plan;
    struct outcome *outcome;
    bool marks, marked;     /* whether there have been FAULTS_MARKs; the last one */
    unsigned long reported; /* faults that the program has been told of */
    long number;            /* calls so far of the plan's sort */
} state;

/* Stops the calling process at one call and at prctl, or at all. */
static bool filter_calls(const struct call *call)
{
    struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE)};
    struct sock_filter one[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call != NULL ? (unsigned)call->number : 0, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog filter = {call != NULL ? sizeof(one) / sizeof(one[0]) : 1, call != NULL ? one : all};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

static pid_t start(const struct plan *plan, char **program, int out, int err)
{
    const pid_t pid = fork();

    if (pid == 0) {
        setpgid(0, 0);
        dup2(out, 1);
        dup2(err, 2);
        if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0) {
            _exit(77);
        }
        raise(SIGSTOP);
        if (!filter_calls(plan->call)) {
            _exit(77);
        }
        execvp(program[0], program);
        _exit(127);
    }
    return pid;
}

/* Whether an address lies in code of the library, and whether in the C library's. */
struct place {
    bool ours, libc;
};

static struct place place_of(FILE *maps, uint64_t address)
{
    char line[512];

    rewind(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        uint64_t from, to;

        if (sscanf(line, "%" SCNx64 "-%" SCNx64, &from, &to) == 2 && address >= from && address < to) {
            return (struct place){
                strstr(line, "/libmemkind.so") != NULL || strstr(line, "/libmemtier.so") != NULL ||
                    strstr(line, "/libautohbw.so") != NULL,
                strstr(line, "/libc.so") != NULL || strstr(line, "/libc-") != NULL,
            };
        }
    }
    return (struct place){false, false};
}

static bool changes_mappings(long call)
{
    return call == SYS_mmap || call == SYS_munmap || call == SYS_mremap || call == SYS_mprotect || call == SYS_madvise;
}

/* Whether the library makes this call. It changes mappings by functions of the C library, which have their return
 * address within the first words of the stack; the other calls it makes itself. */
static bool made_by_library(pid_t pid, const struct user_regs_struct *registers)
{
    uint64_t words[3] = {0};
    const struct iovec here = {words, sizeof(words)}, there = {(void *)registers->rsp, sizeof(words)};
    char path[64];
    bool ours;

    snprintf(path, sizeof(path), "/proc/%d/maps", pid);
    FILE *maps = fopen(path, "re");
    if (maps == NULL) {
        return false;
    }
    const struct place place = place_of(maps, registers->rip);
    ours = place.ours;
    if (place.libc && changes_mappings((long)registers->orig_rax) && process_vm_readv(pid, &here, 1, &there, 1, 0) > 0) {
        for (size_t i = 0; i < 3 && !ours; i++) {
            ours = place_of(maps, words[i]).ours;
        }
    }
    fclose(maps);
    return ours;
}

/* The result that the call of a stopped thread gets instead of being made. */
static void answer(pid_t pid, struct user_regs_struct *registers, long result)
{
    registers->orig_rax = (unsigned long long)-1;
    registers->rax = (unsigned long long)result;
    ptrace(PTRACE_SETREGS, pid, 0, registers);
}

static void count(const struct user_regs_struct *registers)
{
    for (size_t i = 0; i < N_CALLS; i++) {
        if (calls[i].number == (long)registers->orig_rax) {
            state.outcome->counts[i]++;
            return;
        }
    }
    state.outcome->unknown = (long)registers->orig_rax;
}

/* Whether this call, which is of the plan's sort and the library's, is to fail. */
static bool is_due(void)
{
    const struct plan *plan = state.plan;
    const long at = ++state.number - plan->n;

    return at == 0 || (at > 0 && (plan->mode == EVER || (plan->mode == ROW && at < IN_A_ROW)));
}

/* A thread is about to make a call. Whether its result is to be replaced when it has been made. */
static bool at_call(pid_t pid)
{
    struct user_regs_struct registers;
    const struct call *call = state.plan->call;

    if (ptrace(PTRACE_GETREGS, pid, 0, &registers) != 0) {
        return false;
    }
    if (registers.orig_rax == SYS_prctl && registers.rdi == FAULTS_MARK) {
        state.marks = true;
        state.marked = registers.rsi != 0;
        long n_new = (long)(state.outcome->n_faults - state.reported);
        if (n_new > 0 && is_fact(call->number, state.plan->error)) {
            n_new |= FAULTS_FACT;
        }
        if (n_new > 0 && call->number == SYS_munmap) {
            n_new |= FAULTS_KEPT;
        }
        answer(pid, &registers, n_new);
        state.reported = state.outcome->n_faults;
        return false;
    }
    if ((call != NULL && call->number != (long)registers.orig_rax) ||
        !(state.marks ? state.marked : made_by_library(pid, &registers))) {
        return false;
    }
    if (call == NULL) {
        count(&registers);
        return false;
    }
    if (!is_due()) {
        return false;
    }
    state.outcome->n_faults++;
    if (call->manner == AFTER) {
        return true;
    }
    answer(pid, &registers, -state.plan->error);
    return false;
}

/* A thread has made a call whose result is to be replaced. */
static void after_call(pid_t pid)
{
    struct user_regs_struct registers;

    if (ptrace(PTRACE_GETREGS, pid, 0, &registers) == 0) {
        registers.rax = (unsigned long long)-state.plan->error;
        ptrace(PTRACE_SETREGS, pid, 0, &registers);
    }
}

/* A thread has stopped: lets it go on. */
static void go_on(pid_t pid, int status)
{
    const int number = WSTOPSIG(status), event = status >> 16;

    if (event == PTRACE_EVENT_SECCOMP) {
        ptrace(at_call(pid) ? PTRACE_SYSCALL : PTRACE_CONT, pid, 0, 0);
    } else if (number == (SIGTRAP | 0x80)) {
        after_call(pid);
        ptrace(PTRACE_CONT, pid, 0, 0);
    } else if (event != 0 || number == SIGSTOP || number == SIGTRAP) {
        /* A new thread or process, or one that starts. */
        ptrace(PTRACE_CONT, pid, 0, 0);
    } else {
        ptrace(PTRACE_CONT, pid, 0, number);
    }
}

static pid_t hanging;
static volatile sig_atomic_t is_late;

static void end_it(int number)
{
    (void)number;
    is_late = 1;
    kill(-hanging, SIGKILL);
}

bool trace(const struct plan *plan, char **program, int out, int err, unsigned seconds, struct outcome *outcome)
{
    const pid_t pid = start(plan, program, out, err);
    const struct sigaction late = {.sa_handler = end_it};
    int status;

    memset(outcome, 0, sizeof(*outcome));
    outcome->unknown = -1;
    state = (typeof(state)){.plan = plan, .outcome = outcome};
    if (pid < 0 || waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status) ||
        ptrace(PTRACE_SETOPTIONS, pid, 0,
               PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                   PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) != 0) {
        return false;
    }
    hanging = pid;
    is_late = 0;
    sigaction(SIGALRM, &late, NULL);
    alarm(seconds);
    ptrace(PTRACE_CONT, pid, 0, 0);
    for (pid_t stopped; (stopped = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR;) {
        if (stopped < 0) {
            continue;
        }
        if (WIFSTOPPED(status)) {
            go_on(stopped, status);
        } else if (stopped == pid) {
            outcome->status = status;
        }
    }
    alarm(0);
    outcome->hung = is_late;
    return !(WIFEXITED(outcome->status) && WEXITSTATUS(outcome->status) == 77 && plan->call == NULL &&
             lseek(out, 0, SEEK_END) == 0);
}
