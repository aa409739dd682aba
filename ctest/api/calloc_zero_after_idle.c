/* SPDX-License-Identifier: BSD-2-Clause */
/* calloc gives zeroes from every kind also after freed memory has gone back to the system, or part of it
 * has, or was refused: the library knows what the kernel really did. Three threads share the kinds.
 * huge pages: 192 */
#include "machine.h"
#include "threads.h"

#define N_THREADS 3
#define N_ROUNDS 3
#define N_BLOCKS 12
#define MAX_KINDS (N_STATIC_KINDS + 4)
/* Huge pages for what three threads may have cached of each of five kinds, and for what they use: with fewer,
 * one kind may find all of them with the others, and how long it looks for them there depends on CPU time. */
#define N_PAGES 192

typedef int (*create_nodes_function)(const char *nodes, int policy, memkind_t *kind);

static struct {
    const char *name;
    memkind_t kind;
    bool small; /* its memory is scarce */
    unsigned n_large;
} kinds[MAX_KINDS];
static size_t n_kinds;
static pthread_barrier_t barrier;

static void use_kind(const char *name, memkind_t kind, bool small)
{
    kinds[n_kinds].name = name;
    kinds[n_kinds].kind = kind;
    kinds[n_kinds].small = small;
    n_kinds++;
}

/* Leaves freed blocks that are full of something, at addresses that are no multiples of a huge page. */
static void leave_contents(memkind_t kind, unsigned thread)
{
    char *blocks[N_BLOCKS];

    for (size_t i = 0; i < N_BLOCKS; i++) {
        const size_t size = 20000 + 4096 * thread + i * 77777;
        blocks[i] = memkind_malloc(kind, size);
        if (blocks[i] != NULL) {
            memset(blocks[i], 0xa5, size);
        }
    }
    for (size_t i = 0; i < N_BLOCKS; i++) {
        memkind_free(kind, blocks[i]);
    }
}

/* Brings jemalloc to look at the clock. */
static void tick(memkind_t kind)
{
    for (size_t i = 0; i < 200; i++) {
        memkind_free(kind, memkind_malloc(kind, 20000 + i * 7000));
    }
}

static void check_zero(size_t index, unsigned round)
{
    static const size_t sizes[] = {8, 100, 5000, 70000, 300001, 2500000, 5 * MIB, 24 * MIB};
    const memkind_t kind = kinds[index].kind;
    const size_t n_sizes = sizeof(sizes) / sizeof(sizes[0]) - (kinds[index].small ? 1 : 0);
    char *blocks[8];

    for (size_t i = 0; i < n_sizes; i++) {
        blocks[i] = memkind_calloc(kind, sizes[i], 1);
        if (blocks[i] == NULL) {
            CHECK_INT(ENOMEM, errno);
        } else if (!all_zero(blocks[i], sizes[i])) {
            FAIL("%s, round %u: calloc of %zu bytes holds something", kinds[index].name, round, sizes[i]);
        } else {
            if (sizes[i] >= 2500000) {
                __atomic_add_fetch(&kinds[index].n_large, 1, __ATOMIC_RELAXED);
            }
            memset(blocks[i], 0x5a, sizes[i]);
        }
    }
    for (size_t i = 0; i < n_sizes; i++) {
        memkind_free(kind, blocks[i]);
    }
}

static void *work(void *number)
{
    const unsigned thread = (unsigned)(uintptr_t)number;

    for (unsigned round = 0; round < N_ROUNDS; round++) {
        for (size_t i = 0; i < n_kinds; i++) {
            leave_contents(kinds[i].kind, thread);
        }
        pthread_barrier_wait(&barrier);
        /* A part of what is unused goes back in that time. */
        sleep(3);
        for (size_t i = 0; i < n_kinds; i++) {
            tick(kinds[i].kind);
            check_zero(i, round);
        }
    }
    return NULL;
}

static int create_conservative(memkind_t *kind)
{
    struct memkind_config *config = memkind_config_new();
    int status;

    CHECK_NOT_NULL(config);
    memkind_config_set_path(config, test_dir());
    memkind_config_set_size(config, 64 * MIB);
    /* Unused memory goes back at once. */
    memkind_config_set_memory_usage_policy(config, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    status = memkind_create_pmem_with_config(config, kind);
    memkind_config_delete(config);
    return status;
}

int main(int argc, char **argv)
{
    static char area[48 * MIB] __attribute__((aligned(4096)));
    const long pages = atol(first_line("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"));
    const create_nodes_function create_nodes =
        (create_nodes_function)(uintptr_t)dlsym(RTLD_DEFAULT, "memkind_create_nodes");
    pthread_t threads[N_THREADS];
    memkind_t kind = NULL;

    (void)argv;
    if (argc == 1) {
        return run_again("again", node_0_for_all_kinds);
    }
    for (size_t i = 0; i < N_STATIC_KINDS; i++) {
        const bool huge = strstr(static_kinds[i].name, "tlb") != NULL;
        /* Mappings of the GBTLB kinds are too large for a test's pool. */
        if (strstr(static_kinds[i].name, "gbtlb") == NULL && (!huge || pages >= N_PAGES) &&
            memkind_check_available(*static_kinds[i].kind) == 0) {
            use_kind(static_kinds[i].name, *static_kinds[i].kind, huge);
        }
    }
    use_kind("file-backed kind", make_pmem(test_dir(), 64 * MIB), true);
    CHECK_INT(0, create_conservative(&kind));
    use_kind("conservative file-backed kind", kind, true);
    use_kind("fixed kind", make_fixed(area, sizeof(area)), true);
    if (create_nodes != NULL && create_nodes("0", 0, &kind) == 0) {
        use_kind("kind on node 0", kind, false);
    }
    CHECK_INT(0, pthread_barrier_init(&barrier, NULL, N_THREADS));
    for (size_t i = 0; i < N_THREADS; i++) {
        CHECK_INT(0, pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i));
    }
    join_threads(threads, N_THREADS);
    for (size_t i = 0; i < n_kinds; i++) {
        if (kinds[i].n_large == 0) {
            FAIL("%s: no large block could be had", kinds[i].name);
        }
    }
    return 0;
}
