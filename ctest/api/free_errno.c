/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_free keeps errno, also where the kernel refuses to take back pages, as it does on locked memory
 * (mlockall(2)): a seccomp filter forbids madvise(2) here. */
#include "output.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define N_BLOCKS 20000
#define N_THREADS 4

static void forbid(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        SKIP("no seccomp filters here: %s", strerror(errno));
    }
}

static void *use(void *kind)
{
    void **blocks = calloc(N_BLOCKS, sizeof(*blocks));

    CHECK_NOT_NULL(blocks);
    for (unsigned round = 0; round < 4; round++) {
        for (size_t size = 16; size <= 16 * MIB; size *= 3) {
            const size_t n = size * N_BLOCKS < 64 * MIB ? N_BLOCKS : 64 * MIB / size;

            for (size_t i = 0; i < n; i++) {
                blocks[i] = memkind_malloc(kind, size);
                CHECK_NOT_NULL(blocks[i]);
            }
            for (size_t i = 0; i < n; i++) {
                errno = E2BIG;
                memkind_free(NULL, blocks[i]);
                CHECK_INT(E2BIG, errno);
            }
        }
    }
    free(blocks);
    return NULL;
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc == 1) {
        CHECK_CHILD(run_again("use", ENV("_RJEM_MALLOC_CONF=dirty_decay_ms:0", "JEMK_MALLOC_CONF=dirty_decay_ms:0")));
        return 0;
    }
    if (original()) {
        SKIP("the original does not keep it");
    }
    forbid();
    for (unsigned round = 0; round < 3; round++) {
        pthread_t threads[N_THREADS];

        for (size_t i = 0; i < N_THREADS; i++) {
            memkind_t kind = i % 2 == 0 ? MEMKIND_DEFAULT : MEMKIND_REGULAR;
            CHECK_INT(0, pthread_create(&threads[i], NULL, use, kind));
        }
        for (size_t i = 0; i < N_THREADS; i++) {
            CHECK_INT(0, pthread_join(threads[i], NULL));
        }
    }
    return 0;
}
