/* SPDX-License-Identifier: BSD-2-Clause */
/* A kind that has refused a size, and of which nothing has been freed since, refuses it and larger ones without a
 * search; it searches now and then. A search measures its CPU time, for which the kernel is asked: that is counted. */
#include "forbid.h"
#include "pmem.h"

#include <signal.h>
#include <ucontext.h>

enum { REQUESTS = 2000 };

static volatile int searches;

static void count(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    searches++;
    /* The call succeeds. */
#ifdef __aarch64__
    ((ucontext_t *)context)->uc_mcontext.regs[0] = 0;
#else
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = 0;
#endif
}

static void count_clocks(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = count;
    action.sa_flags = SA_SIGINFO;
    CHECK_INT(0, sigaction(SIGSYS, &action, NULL));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        SKIP("no seccomp filters here: %s", strerror(errno));
    }
}

static void check(memkind_t kind, size_t size, size_t less, const char *what)
{
    searches = 0;
    for (size_t i = 0; i < REQUESTS; i++) {
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, size - i * less));
    }
    if (searches == 0 || searches > REQUESTS / 8) {
        FAIL("%s: %d readings of a clock for %d requests", what, searches, (int)REQUESTS);
    }
}

int main(void)
{
    memkind_t kind = make_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE);
    void *block, *last = NULL;

    if (original()) {
        SKIP("asks its arena each time");
    }
    for (size_t size = 8 * MIB; size >= 4 * KIB; size /= 2) {
        while ((block = memkind_malloc(kind, size)) != NULL) {
            memcpy(block, &last, sizeof(last));
            last = block;
        }
    }
    count_clocks();
    check(kind, 12 * MIB, 1, "large blocks");
    check(kind, 100 * KIB, 0, "blocks beyond caches");
    check(kind, 4 * KIB, 0, "blocks of a page");
    /* What is freed is there. */
    memcpy(&block, last, sizeof(last));
    memkind_free(kind, last);
    block = memkind_malloc(kind, 4 * KIB);
    CHECK_NOT_NULL(block);
    while (block != NULL) {
        block = memkind_malloc(kind, 4 * KIB);
    }
    check(kind, 4 * KIB, 0, "blocks of a page, once more");
    return 0;
}
