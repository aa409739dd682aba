// SPDX-License-Identifier: BSD-2-Clause
// Measures memory bandwidth with the four loops that are customary (copy, scale, add,
// triad) on arrays of high-bandwidth memory, and shows on which nodes the arrays are.
//
//   cc -O2 -fopenmp -o stream stream.c -lmemkind
//   ./stream [MIB] [bind|preferred|interleave|all|malloc]
//
// MIB is the size of each of the three arrays (default 64). Without a policy the arrays
// prefer high-bandwidth memory and are ordinary memory where there is none; with bind the
// program ends with an error then. `malloc` uses ordinary memory, to compare with.

#define _GNU_SOURCE
#include <hbwmalloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define N_ARRAYS 3
#define N_ROUNDS 10
#define MAX_NODES 1024

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

// Prints on how many pages of an array each node has.
static void show_nodes(char name, const void *array, size_t size)
{
    static size_t n_pages[MAX_NODES];
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n_unknown = 0;
    memset(n_pages, 0, sizeof(n_pages));
    for (uintptr_t at = (uintptr_t)array & ~(page - 1); at < (uintptr_t)array + size; at += page) {
        void *address = (void *)at;
        int node = -1;
        // With no nodes to move to, move_pages(2) only tells where a page is.
        if (syscall(SYS_move_pages, 0, 1UL, &address, NULL, &node, 0) == 0 && node >= 0 && node < MAX_NODES)
            n_pages[node]++;
        else
            n_unknown++;
    }
    printf("array %c:", name);
    for (int node = 0; node < MAX_NODES; node++)
        if (n_pages[node])
            printf("  %.1f MiB on node %d", (double)(n_pages[node] * page) / (1 << 20), node);
    if (n_unknown)
        printf("  %.1f MiB on unknown nodes", (double)(n_unknown * page) / (1 << 20));
    printf("\n");
}

static int usage(void)
{
    fprintf(stderr, "usage: stream [MIB] [bind|preferred|interleave|all|malloc]\n");
    return 2;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        hbw_policy_t policy;
    } policies[] = {
        {"bind", HBW_POLICY_BIND},
        {"preferred", HBW_POLICY_PREFERRED},
        {"interleave", HBW_POLICY_INTERLEAVE},
        {"all", HBW_POLICY_BIND_ALL},
    };
    size_t mib = 64;
    bool ordinary = false;
    for (int i = 1; i < argc; i++) {
        char *end;
        unsigned long value = strtoul(argv[i], &end, 10);
        if (*argv[i] && !*end && value > 0 && value < SIZE_MAX >> 22) {
            mib = value;
            continue;
        }
        ordinary = strcmp(argv[i], "malloc") == 0;
        bool known = ordinary;
        for (size_t j = 0; j < sizeof(policies) / sizeof(policies[0]); j++)
            if (strcmp(argv[i], policies[j].name) == 0)
                known = hbw_set_policy(policies[j].policy) == 0;
        if (!known)
            return usage();
    }

    printf("high-bandwidth memory: %s\n", hbw_check_available() == 0 ? "available" : "not available (memkind-info tells why)");
    size_t size = mib << 20, n = size / sizeof(double);
    double *arrays[N_ARRAYS];
    for (int i = 0; i < N_ARRAYS; i++) {
        arrays[i] = ordinary ? malloc(size) : hbw_malloc(size);
        if (!arrays[i]) {
            perror(ordinary ? "malloc" : "hbw_malloc");
            return 1;
        }
    }
    double *a = arrays[0], *b = arrays[1], *c = arrays[2];
    // A page lands on a node when it is written for the first time: the threads that will
    // use it write it.
#pragma omp parallel for
    for (size_t i = 0; i < n; i++) {
        a[i] = 1;
        b[i] = 2;
        c[i] = 0;
    }
    for (int i = 0; i < N_ARRAYS; i++)
        show_nodes((char)('a' + i), arrays[i], size);

    static const char *const names[] = {"copy", "scale", "add", "triad"};
    static const int n_arrays[] = {2, 2, 3, 3};
    const double factor = 3;
    double best[4];
    for (int round = 0; round < N_ROUNDS; round++) {
        for (int loop = 0; loop < 4; loop++) {
            double start = now();
            switch (loop) {
            case 0:
#pragma omp parallel for
                for (size_t i = 0; i < n; i++)
                    c[i] = a[i];
                break;
            case 1:
#pragma omp parallel for
                for (size_t i = 0; i < n; i++)
                    b[i] = factor * c[i];
                break;
            case 2:
#pragma omp parallel for
                for (size_t i = 0; i < n; i++)
                    c[i] = a[i] + b[i];
                break;
            default:
#pragma omp parallel for
                for (size_t i = 0; i < n; i++)
                    a[i] = b[i] + factor * c[i];
            }
            double seconds = now() - start;
            if (round == 0 || seconds < best[loop])
                best[loop] = seconds;
        }
    }
    for (int loop = 0; loop < 4; loop++)
        printf("%-6s %9.0f MB/s\n", names[loop], (double)size * n_arrays[loop] / best[loop] * 1e-6);

    // The same on one number tells whether the arrays hold what they should.
    double x = 1, y = 2, z = 0;
    for (int round = 0; round < N_ROUNDS; round++) {
        z = x;
        y = factor * z;
        z = x + y;
        x = y + factor * z;
    }
    bool right = true;
    for (size_t i = 0; i < n; i++)
        right &= a[i] == x && b[i] == y && c[i] == z;
    if (!right)
        fprintf(stderr, "the results are wrong\n");
    for (int i = 0; i < N_ARRAYS; i++) {
        if (ordinary)
            free(arrays[i]);
        else
            hbw_free(arrays[i]);
    }
    return right ? 0 : 1;
}
