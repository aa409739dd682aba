/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread that runs on a CPU gets memory from that CPU's node when the kind is a local one, wherever
 * blocks of that kind came from before. */
#include "machine.h"
#include "threads.h"

#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/syscall.h>

#define ODD_SIZE (11 * MIB - 5)

static void *allocate_here(void *cpu)
{
    cpu_set_t set;
    unsigned current_cpu, node;
    char *block = memkind_malloc(MEMKIND_HIGHEST_CAPACITY_LOCAL, ODD_SIZE);

    CHECK_NOT_NULL(block);
    memset(block, 1, ODD_SIZE);
    memkind_free(NULL, block);
    CPU_ZERO(&set);
    CPU_SET(*(int *)cpu, &set);
    CHECK_INT(0, sched_setaffinity(0, sizeof(set), &set));
    CHECK_INT(0, syscall(SYS_getcpu, &current_cpu, &node, NULL));
    CHECK_INT(*(int *)cpu, current_cpu);
    block = memkind_malloc(MEMKIND_HIGHEST_CAPACITY_LOCAL, ODD_SIZE);
    CHECK_NOT_NULL(block);
    memset(block, 1, ODD_SIZE);
    for (size_t offset = 0; offset < ODD_SIZE; offset += 4096) {
        int page_node = -1;
        void *page = block + offset;

        CHECK_INT(0, syscall(SYS_move_pages, 0, 1UL, &page, NULL, &page_node, 0));
        CHECK_INT(node, page_node);
    }
    memkind_free(MEMKIND_HIGHEST_CAPACITY_LOCAL, block);
    return NULL;
}

int main(void)
{
    char with_memory[256];
    cpu_set_t allowed;

    snprintf(with_memory, sizeof(with_memory), "%s", first_line("/sys/devices/system/node/has_memory"));
    if (with_memory[0] == '\0' || strcmp(with_memory, first_line("/sys/devices/system/node/has_cpu")) != 0) {
        SKIP("the largest local node is the CPU's own only if every node has both CPUs and memory");
    }
    if (!has_hwloc()) {
        SKIP("no libhwloc can be loaded");
    }
    if (original() && !one_node()) {
        SKIP("the original reuses memory of another node that was freed before");
    }
    CHECK_INT(0, sched_getaffinity(0, sizeof(allowed), &allowed));
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed)) {
            in_thread(allocate_here, &cpu);
        }
    }
    return 0;
}
