/* SPDX-License-Identifier: BSD-2-Clause */
/* A buffer for I/O on each node, of which every thread takes the one that is near.
 *
 *   gcc node_buffers.c -lmemkind -lpthread
 */
#define _GNU_SOURCE
#include <memkind_ext.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

enum { NODES = 64, SIZE = 1 << 20 };

static void *buffers[NODES];

/* A kind for a node that is not there is another node's: then the buffer would not be near. */
static void *make_buffer(int node)
{
    memkind_t kind;
    char *buffer;

    if (memkind_dma_kind(node, 0, &kind) != MEMKIND_SUCCESS) {
        return NULL;
    }
    buffer = memkind_malloc(kind, SIZE);
    if (buffer != NULL && memkind_get_node(buffer) != node) {
        memkind_free(NULL, buffer);
        return NULL;
    }
    return buffer;
}

static void *work(void *cpu_)
{
    const int cpu = *(int *)cpu_;
    cpu_set_t set;
    int node;
    char *buffer;

    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0) {
        return NULL;
    }
    node = memkind_get_node(NULL);
    buffer = node >= 0 && node < NODES ? buffers[node] : NULL;
    if (buffer == NULL) {
        printf("CPU %d: no buffer on node %d\n", cpu, node);
        return NULL;
    }
    memset(buffer, cpu, 64);
    printf("CPU %d uses %p on node %d\n", cpu, (void *)buffer, memkind_get_node(buffer));
    return NULL;
}

int main(void)
{
    int cpus[2] = {0, sched_getcpu()}, n_buffers = 0;

    for (int node = 0; node < NODES; node++) {
        buffers[node] = make_buffer(node);
        n_buffers += buffers[node] != NULL;
    }
    printf("buffers on %d nodes\n", n_buffers);
    for (int i = 0; i < 2; i++) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, work, &cpus[i]) != 0) {
            return 1;
        }
        pthread_join(thread, NULL);
    }
    for (int node = 0; node < NODES; node++) {
        memkind_free(NULL, buffers[node]);
    }
    return n_buffers > 0 ? 0 : 1;
}
