/* SPDX-License-Identifier: BSD-2-Clause */
/* How long fork takes in the parent, with that many MiB of touched blocks.
 * usage: fork MIB [private]      private: without a copy of file tiers (memkind_ext.h) */
#include "workload.h"

#include <dlfcn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 15, BLOCK = 60000 };

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

int main(int argc, char **argv)
{
    const size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
    double took[ROUNDS];

    if (argc > 2) {
        int (*set)(int) = (int (*)(int))dlsym(RTLD_DEFAULT, "memkind_set_pmem_fork");
        if (set != NULL) {
            set(0);
        }
    }
    for (size_t i = 0; i < (mib << 20) / BLOCK; i++) {
        memset(need(malloc(BLOCK)), 1, BLOCK);
    }
    for (int i = 0; i < ROUNDS; i++) {
        const double before = now();
        const pid_t child = fork();
        if (child == 0) {
            _exit(0);
        }
        took[i] = now() - before;
        if (child < 0 || waitpid(child, NULL, 0) != child) {
            return 1;
        }
    }
    qsort(took, ROUNDS, sizeof(took[0]), ascending);
    printf("%.0f\n", took[ROUNDS / 2]);
    return 0;
}
