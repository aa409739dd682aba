/* SPDX-License-Identifier: BSD-2-Clause */
/* Sizes and alignments that no machine has are refused by every kind without a system call, and without reading a
 * clock that needs the time-stamp counter. */
#include "forbid.h"
#include "pmem.h"

#include <sys/mman.h>

#ifndef PR_TSC_SIGSEGV
#define PR_TSC_SIGSEGV 2
#endif

/* From here on any other call, and reading the counter, ends the process. */
static void forbid_all(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        SKIP("no seccomp filters here: %s", strerror(errno));
    }
}

int main(void)
{
    static const size_t sizes[] = {PTRDIFF_MAX, PTRDIFF_MAX - 300, (size_t)1 << 62, ((size_t)1 << 46) - 300};
    static char area[4 * MIB];
    memkind_t kinds[] = {MEMKIND_DEFAULT, MEMKIND_REGULAR, make_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE),
                         make_pmem(test_dir(), 0), NULL};
    enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };
    void *blocks[KINDS], *block = NULL;

    if (original()) {
        SKIP("searches");
    }
    CHECK_INT(0, memkind_create_fixed(area, sizeof(area), &kinds[KINDS - 1]));
    for (int i = 0; i < KINDS; i++) {
        blocks[i] = memkind_malloc(kinds[i], 100 * KIB);
        CHECK_NOT_NULL(blocks[i]);
    }
    forbid_all();
    for (int i = 0; i < KINDS; i++) {
        for (size_t n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++) {
            CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kinds[i], sizes[n]));
            CHECK_ALLOC_FAILS(ENOMEM, memkind_calloc(kinds[i], 1, sizes[n]));
            CHECK_ALLOC_FAILS(ENOMEM, memkind_realloc(kinds[i], blocks[i], sizes[n]));
            CHECK_INT(ENOMEM, memkind_posix_memalign(kinds[i], &block, 64, sizes[n]));
            CHECK_INT(ENOMEM, memkind_posix_memalign(kinds[i], &block, (size_t)1 << 40, sizes[n]));
        }
        CHECK_INT(ENOMEM, memkind_posix_memalign(kinds[i], &block, (size_t)1 << 62, 100));
        CHECK_INT(ENOMEM, memkind_posix_memalign(kinds[i], &block, (size_t)1 << 46, 100));
    }
    _exit(0);
}
