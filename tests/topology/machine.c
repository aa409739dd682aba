/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A made-up machine: put before libnuma and libhwloc with LD_PRELOAD, this answers
 * their functions from the file that FAKE_MACHINE names, so that the original library
 * shows what it does on any topology. mbind(2) is recorded and not carried out.
 *
 * Lines of the file, node numbers below 64, nodes in hwloc's order:
 *   node NUMBER BYTES CPUS(hex)      distance FROM TO VALUE
 *   attribute FROM TO BANDWIDTH LATENCY (-1 = unknown)      local FROM TO
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <hwloc.h>
#include <numa.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define MAX 64

static struct {
    unsigned number;
    long long bytes;
    unsigned long cpus;
    hwloc_obj_t object;
} nodes[MAX];
static unsigned n_nodes, n_cpus;
static int distance[MAX][MAX], local[MAX][MAX];
static long bandwidth[MAX][MAX], latency[MAX][MAX];

/* Set and read by the program that asks. */
int fake_cpu, fake_n_calls;
unsigned long fake_mask;

static hwloc_bitmap_t bits(unsigned long word)
{
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    for (unsigned i = 0; i < MAX; i++)
        if (word >> i & 1)
            hwloc_bitmap_set(set, i);
    return set;
}

static void add_node(unsigned number, long long bytes, unsigned long cpus)
{
    hwloc_obj_t object = calloc(1, sizeof *object);
    object->type = HWLOC_OBJ_NUMANODE;
    object->os_index = number;
    object->logical_index = n_nodes;
    object->depth = HWLOC_TYPE_DEPTH_NUMANODE;
    object->cpuset = bits(cpus);
    object->nodeset = bits(1ul << number);
    object->attr = calloc(1, sizeof *object->attr);
    object->attr->numanode.local_memory = bytes;
    if (n_nodes)
        nodes[n_nodes - 1].object->next_cousin = object;
    nodes[n_nodes].number = number;
    nodes[n_nodes].bytes = bytes;
    nodes[n_nodes].cpus = cpus;
    nodes[n_nodes++].object = object;
    for (unsigned i = 0; i < MAX; i++)
        if (cpus >> i & 1 && i >= n_cpus)
            n_cpus = i + 1;
}

__attribute__((constructor)) static void load(void)
{
    const char *name = getenv("FAKE_MACHINE");
    FILE *file = name ? fopen(name, "r") : NULL;
    char line[256];
    unsigned from, to;
    unsigned long cpus;
    long long bytes;
    long fast, late;
    int value;
    memset(bandwidth, -1, sizeof bandwidth);
    memset(latency, -1, sizeof latency);
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "node %u %lld %lx", &from, &bytes, &cpus) == 3)
            add_node(from, bytes, cpus);
        else if (sscanf(line, "distance %u %u %d", &from, &to, &value) == 3)
            distance[from][to] = value;
        else if (sscanf(line, "attribute %u %u %ld %ld", &from, &to, &fast, &late) == 4)
            bandwidth[from][to] = fast, latency[from][to] = late;
        else if (sscanf(line, "local %u %u", &from, &to) == 2)
            local[from][to] = 1;
    }
    if (file)
        fclose(file);
}

static int index_of(unsigned number)
{
    for (unsigned i = 0; i < n_nodes; i++)
        if (nodes[i].number == number)
            return (int)i;
    return -1;
}

/* libnuma */
int numa_available(void) { return 0; }
int numa_distance(int from, int to) { return distance[from][to]; }
int numa_num_configured_cpus(void) { return (int)n_cpus; }
int numa_num_configured_nodes(void) { return (int)n_nodes; }

int numa_max_node(void)
{
    unsigned max = 0;
    for (unsigned i = 0; i < n_nodes; i++)
        max = nodes[i].number > max ? nodes[i].number : max;
    return (int)max;
}

long long numa_node_size64(int number, long long *unused)
{
    int i = index_of(number);
    if (unused)
        *unused = 0;
    return i < 0 ? -1 : nodes[i].bytes;
}

int numa_node_to_cpus(int number, struct bitmask *mask)
{
    int i = index_of(number);
    memset(mask->maskp, 0, mask->size / 8);
    if (i < 0)
        return -1;
    mask->maskp[0] = nodes[i].cpus;
    return 0;
}

struct bitmask *numa_parse_nodestring(const char *text)
{
    struct bitmask *mask = numa_bitmask_alloc(1024);
    for (char *copy = strdup(text), *word = strtok(copy, ","); word; word = strtok(NULL, ","))
        numa_bitmask_setbit(mask, atoi(word));
    return mask;
}

/* libhwloc */
int hwloc_topology_init(hwloc_topology_t *topology)
{
    *topology = (void *)nodes;
    return 0;
}
int hwloc_topology_load(hwloc_topology_t topology) { return topology ? 0 : -1; }
void hwloc_topology_destroy(hwloc_topology_t topology) { (void)topology; }
int hwloc_get_type_depth(hwloc_topology_t topology, hwloc_obj_type_t type)
{
    (void)topology, (void)type;
    return HWLOC_TYPE_DEPTH_NUMANODE;
}
unsigned hwloc_get_nbobjs_by_depth(hwloc_topology_t topology, int depth)
{
    (void)topology, (void)depth;
    return n_nodes;
}
hwloc_obj_t hwloc_get_obj_by_depth(hwloc_topology_t topology, int depth, unsigned i)
{
    (void)topology, (void)depth;
    return i < n_nodes ? nodes[i].object : NULL;
}

static int node_of(struct hwloc_location *location)
{
    for (unsigned i = 0; i < n_nodes; i++)
        if (nodes[i].cpus && hwloc_bitmap_isequal(location->location.cpuset, nodes[i].object->cpuset))
            return (int)nodes[i].number;
    return -1;
}

int hwloc_get_local_numanode_objs(hwloc_topology_t topology, struct hwloc_location *location,
                                  unsigned *n, hwloc_obj_t *objects, unsigned long flags)
{
    int from = node_of(location);
    unsigned room = *n;
    (void)topology, (void)flags;
    *n = 0;
    for (unsigned i = 0; from >= 0 && i < n_nodes; i++)
        if (local[from][nodes[i].number] && *n < room)
            objects[(*n)++] = nodes[i].object;
    return 0;
}

int hwloc_memattr_get_value(hwloc_topology_t topology, hwloc_memattr_id_t attribute,
                            hwloc_obj_t target, struct hwloc_location *initiator,
                            unsigned long flags, hwloc_uint64_t *value)
{
    int from = node_of(initiator);
    long known = -1;
    (void)topology, (void)flags;
    if (from >= 0 && attribute == HWLOC_MEMATTR_ID_BANDWIDTH)
        known = bandwidth[from][target->os_index];
    if (from >= 0 && attribute == HWLOC_MEMATTR_ID_LATENCY)
        known = latency[from][target->os_index];
    *value = known;
    return known < 0 ? -1 : 0;
}

/* libc */
int sched_getcpu(void) { return fake_cpu; }

long syscall(long number, ...)
{
    long (*next)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    if (number != SYS_mbind)
        return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    fake_n_calls++;
    fake_mask = a[3] ? *(unsigned long *)a[3] : 0;
    return 0;
}
