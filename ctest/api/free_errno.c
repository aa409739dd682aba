/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_free keeps errno, also where the kernel refuses to take back pages, as it does on locked memory
 * (mlockall(2)): a seccomp filter forbids madvise(2) here. */
#include "forbid.h"
#include "output.h"
#include "threads.h"

#define N_BLOCKS 20000
#define N_THREADS 4

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
        CHECK_CHILD(run_again("use", ENV("JEMK_MALLOC_CONF=dirty_decay_ms:0")));
        return 0;
    }
    if (original()) {
        SKIP("the original does not keep it");
    }
    forbid(SYS_madvise, EINVAL);
    for (unsigned round = 0; round < 3; round++) {
        pthread_t threads[N_THREADS];

        for (size_t i = 0; i < N_THREADS; i++) {
            memkind_t kind = i % 2 == 0 ? MEMKIND_DEFAULT : MEMKIND_REGULAR;
            CHECK_INT(0, pthread_create(&threads[i], NULL, use, kind));
        }
        join_threads(threads, N_THREADS);
    }
    return 0;
}
