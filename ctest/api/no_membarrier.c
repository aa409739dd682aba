/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the kernel, or a sandbox, has no membarrier(2), a kind that takes the place of a destroyed one hands out blocks
 * of its own and none that the other left in a thread's cache; a kind that runs full still says so. */
#include "pmem.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define N_BLOCKS 1000

static void forbid(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        SKIP("no seccomp filters here: %s", strerror(errno));
    }
}

static void *use(void *kind)
{
    void *blocks[N_BLOCKS];

    for (int i = 0; i < N_BLOCKS; i++) {
        blocks[i] = memkind_malloc(kind, 64);
        CHECK_NOT_NULL(blocks[i]);
        CHECK_PTR(kind, memkind_detect_kind(blocks[i]));
        memset(blocks[i], i, 64);
    }
    for (int i = 0; i < N_BLOCKS; i++) {
        memkind_free(kind, blocks[i]);
    }
    return NULL;
}

int main(void)
{
    forbid();
    for (int round = 0; round < 4; round++) {
        memkind_t kind = NULL;
        pthread_t thread;

        CHECK_INT(0, memkind_create_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE, &kind));
        use(kind);
        CHECK_INT(0, pthread_create(&thread, NULL, use, kind));
        CHECK_INT(0, pthread_join(thread, NULL));
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, 2 * MEMKIND_PMEM_MIN_SIZE));
        use(kind);
        CHECK_INT(0, memkind_destroy_kind(kind));
    }
    return 0;
}
