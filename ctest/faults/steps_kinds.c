/* SPDX-License-Identifier: BSD-2-Clause */
/* Steps on kinds of every sort. */
#include "steps.h"

#include <hbwmalloc.h>
#include <pthread.h>

void use_kind(memkind_t kind, size_t largest)
{
    enum { N = 12 };
    char *blocks[N];
    size_t sizes[N];

    for (size_t i = 0; i < N; i++) {
        sizes[i] = largest >> (2 * (N - 1 - i)) | 8;
        if (i % 3 == 0) {
            BLOCK(blocks[i], memkind_calloc(kind, sizes[i], 1));
            CHECK(all_zero(blocks[i], sizes[i]));
        } else if (i % 3 == 1) {
            ATTEMPT(code = memkind_posix_memalign(kind, (void **)&blocks[i], 64, sizes[i]), code == 0, code == ENOMEM);
            CHECK(aligned(blocks[i], 64));
        } else {
            BLOCK(blocks[i], memkind_malloc(kind, sizes[i]));
        }
        write_to(blocks[i], sizes[i], (unsigned)i);
    }
    for (size_t i = 0; i + 2 < N; i++) {
        char *moved;

        /* When it fails the block is as it was. */
        faults_on();
        moved = memkind_realloc(kind, blocks[i], sizes[i] * 3);
        const int faults = faults_off();
        if (moved == NULL) {
            CHECK(faults > 0 && errno == ENOMEM);
            CHECK(has(blocks[i], sizes[i], (unsigned)i));
            moved = memkind_realloc(kind, blocks[i], sizes[i] * 3);
            CHECK_NOT_NULL(moved);
        }
        blocks[i] = moved;
        CHECK(has(blocks[i], sizes[i], (unsigned)i));
        sizes[i] *= 3;
        write_to(blocks[i], sizes[i], (unsigned)i);
    }
    for (size_t i = 0; i < N; i++) {
        void *moved;

        QUIET(moved = memkind_defrag_reallocate(kind, blocks[i]));
        blocks[i] = moved != NULL ? moved : blocks[i];
        CHECK(has(blocks[i], sizes[i], (unsigned)i));
        CHECK_PTR(kind, memkind_detect_kind(blocks[i]));
    }
    for (size_t i = 0; i < N; i++) {
        CHECK(has(blocks[i], sizes[i], (unsigned)i));
        QUIET(memkind_free(i % 2 ? kind : NULL, blocks[i]));
    }
    QUIET(code = memkind_trim(kind));
    CHECK_INT(0, code);
}

static void destroy(memkind_t kind)
{
    ALWAYS(memkind_destroy_kind(kind));
}

void step_default(void)
{
    char *block;

    use_kind(MEMKIND_DEFAULT, 2 * MIB);
    BLOCK(block, memkind_malloc(MEMKIND_DEFAULT, 40 * MIB));
    QUIET(memkind_free(NULL, block));
}

/* What memkind_check_available() may say. */
#define NOT_AVAILABLE                                                                           \
    IS(MEMKIND_ERROR_UNAVAILABLE, MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE, MEMKIND_ERROR_HUGETLB,   \
       MEMKIND_ERROR_RUNTIME, MEMKIND_ERROR_MBIND, MEMKIND_ERROR_OPERATION_FAILED, MEMKIND_ERROR_MALLOC)

/* What a kind says of itself, and then gives. */
static void use_static(memkind_t kind)
{
    CODE(memkind_check_available(kind), NOT_AVAILABLE);
    use_kind(kind, 6 * MIB);
}

void step_static(void)
{
    setenv("MEMKIND_HBW_NODES", "0", 1);
    use_static(MEMKIND_REGULAR);
    use_static(MEMKIND_HBW);
    use_static(MEMKIND_INTERLEAVE);
    use_static(MEMKIND_HIGHEST_CAPACITY_PREFERRED);
}

/* Few machines tell of latencies. */
void step_hwloc(void)
{
    QUIET(code = memkind_check_available(MEMKIND_LOWEST_LATENCY_LOCAL));
    CHECK(code == 0 || NOT_AVAILABLE);
}

void step_huge(void)
{
    char *block = NULL;

    if (is_first && (block = memkind_malloc(MEMKIND_HUGETLB, 3 * MIB)) == NULL) {
        SKIP("no huge pages");
    }
    memkind_free(MEMKIND_HUGETLB, block);
    CODE(memkind_check_available(MEMKIND_HUGETLB), NOT_AVAILABLE);
    for (size_t size = 1; size < 4 * MIB; size *= 30) {
        BLOCK(block, memkind_malloc(MEMKIND_HUGETLB, size));
        memset(block, 1, size);
        QUIET(memkind_free(MEMKIND_HUGETLB, block));
    }
}

/* Errors with errno of files that cannot be made. */
#define NO_FILE (NO_KIND || (code == MEMKIND_ERROR_INVALID && errno != 0))

void step_pmem(void)
{
    struct memkind_config *config;
    memkind_t kind, again;

    ATTEMPT(config = memkind_config_new(), config != NULL, true);
    memkind_config_set_path(config, directory);
    memkind_config_set_size(config, 0);
    memkind_config_set_memory_usage_policy(config, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    QUIET(code = memkind_check_dax_path(directory));
    CODE(memkind_create_pmem(directory, 64 * MIB, &kind), NO_FILE);
    CODE(memkind_create_pmem_with_config(config, &again), NO_FILE);
    QUIET(memkind_config_delete(config));
    use_kind(kind, 4 * MIB);
    use_kind(again, 4 * MIB);
    destroy(kind);
    destroy(again);
}

/* A kind that is filled, emptied and filled again. */
void step_full(void)
{
    enum { MOST = 20 * MIB / (64 * KIB) + 100 };
    static char *blocks[MOST];
    memkind_t kind;
    size_t fitted = 0;

    CODE(memkind_create_pmem(directory, 20 * MIB, &kind), NO_FILE);
    for (int round = 0; round < 3; round++) {
        size_t n = 0;

        for (int refused = 0; n < MOST && refused < 2;) {
            faults_on();
            blocks[n] = memkind_malloc(kind, 64 * KIB);
            faults_off();
            if (blocks[n] == NULL) {
                CHECK_INT(ENOMEM, errno);
                blocks[n] = memkind_malloc(kind, 64 * KIB);
                refused++;
            }
            if (blocks[n] != NULL) {
                write_to(blocks[n], 64 * KIB, (unsigned)n);
                n++;
                refused = 0;
            }
        }
        if (n < 200 || n < fitted) {
            FAIL("round %d: %zu blocks fit, %zu before", round, n, fitted);
        }
        fitted = n;
        while (n-- > 0) {
            CHECK(has(blocks[n], 64 * KIB, (unsigned)n));
            QUIET(memkind_free(n % 2 ? kind : NULL, blocks[n]));
        }
    }
    destroy(kind);
}

void step_fixed(void)
{
    static char area[64 * MIB] __attribute__((aligned(4096)));
    memkind_t kind;

    CODE(memkind_create_fixed(area, sizeof(area), &kind), NO_KIND);
    use_kind(kind, 4 * MIB);
    destroy(kind);
    memset(area, 1, sizeof(area));
}

/* What kinds on nodes may say when the system does not tell about its nodes. */
#define NO_NODES (NO_KIND || IS(MEMKIND_ERROR_UNAVAILABLE, MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE, MEMKIND_ERROR_HUGETLB, \
                        MEMKIND_ERROR_OPERATION_FAILED))

void step_nodes(void)
{
    memkind_t kind;

    CODE(memkind_create_nodes("0", MEMKIND_NODES_BIND, &kind), NO_NODES);
    use_kind(kind, 4 * MIB);
    destroy(kind);
    CODE(memkind_create_nodes("0", MEMKIND_NODES_INTERLEAVE, &kind), NO_NODES);
    use_kind(kind, 4 * MIB);
    destroy(kind);
}

/* A kind with these options, limit and slabs. */
static memkind_t describe(unsigned options, size_t limit, size_t slab)
{
    struct memkind_config *config;
    memkind_t kind;

    ATTEMPT(config = memkind_config_new(), config != NULL, true);
    memkind_config_set_options(config, options);
    memkind_config_set_size(config, limit);
    memkind_config_set_slab_size(config, slab);
    CODE(memkind_create_with_config(config, &kind), NO_NODES);
    QUIET(memkind_config_delete(config));
    return kind;
}

void step_described(void)
{
    static const unsigned options[] = {MEMKIND_OPTION_POPULATE, MEMKIND_OPTION_PIN,
                                       MEMKIND_OPTION_NO_FORK | MEMKIND_OPTION_NO_DUMP | MEMKIND_OPTION_WIPE,
                                       MEMKIND_OPTION_TRANSPARENT_HUGE};

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        const memkind_t kind = describe(options[i], 64 * MIB, 4 * MIB);

        if (i < 2) {
            CODE(memkind_prepare(kind, 8 * MIB), IS(MEMKIND_ERROR_MALLOC));
        }
        use_kind(kind, 4 * MIB);
        destroy(kind);
    }
}

void step_shared(void)
{
    const memkind_t kind = describe(MEMKIND_OPTION_SHARED, 64 * MIB, 4 * MIB);
    char *block;
    size_t offset;
    int fd;

    use_kind(kind, 4 * MIB);
    BLOCK(block, memkind_malloc(kind, 1000));
    ALWAYS(memkind_get_fd(block, &fd, &offset));
    *block = 7;
    char *there = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, (off_t)(offset & ~(size_t)4095));
    CHECK(there != MAP_FAILED);
    CHECK_INT(7, there[offset % 4096]);
    munmap(there, 4096);
    destroy(kind);
}

void step_hbw(void)
{
    char *block;

    setenv("MEMKIND_HBW_NODES", "0", 1);
    QUIET(code = hbw_check_available());
    BLOCK(block, hbw_malloc(100000));
    memset(block, 1, 100000);
    ATTEMPT(code = hbw_verify_memory_region(block, 100000, HBW_TOUCH_PAGES), code == 0,
            IS(-1, EFAULT, EINVAL, ENOMEM));
    QUIET(hbw_free(block));
    ATTEMPT(code = hbw_posix_memalign_psize((void **)&block, 4096, 8192, HBW_PAGESIZE_4KB), code == 0, code == ENOMEM);
    QUIET(hbw_free(block));
}

void step_fork(void)
{
    memkind_t kind;
    char *block, *other;
    pid_t pid;

    ALWAYS(memkind_set_pmem_fork(MEMKIND_PMEM_FORK_COPY));
    CODE(memkind_create_pmem(directory, 64 * MIB, &kind), NO_FILE);
    BLOCK(block, memkind_malloc(kind, 3 * MIB));
    BLOCK(other, memkind_malloc(MEMKIND_REGULAR, 100));
    write_to(block, 3 * MIB, 1);
    write_to(other, 100, 2);
    ATTEMPT(pid = fork(), pid >= 0, errno == EAGAIN || errno == ENOMEM || errno == EPERM || errno == ENOSYS);
    if (pid == 0) {
        faults_off();
        CHECK(has(block, 3 * MIB, 1));
        CHECK(has(other, 100, 2));
        use_kind(kind, MIB);
        use_kind(MEMKIND_REGULAR, MIB);
        CHECK_INT(0, memkind_destroy_kind(kind));
        _exit(0);
    }
    faults_off();
    CHECK_CHILD(child_wait(pid));
    CHECK(has(block, 3 * MIB, 1));
    CHECK(has(other, 100, 2));
    QUIET(memkind_free(kind, block));
    QUIET(memkind_free(NULL, other));
    use_kind(kind, MIB);
    destroy(kind);
}

static void *in_thread(void *blocks)
{
    for (char **block = blocks; *block != NULL; block++) {
        CHECK(has(*block, 1000, 3));
        memkind_free(NULL, *block);
    }
    use_kind(MEMKIND_REGULAR, MIB);
    return NULL;
}

void step_threads(void)
{
    char *blocks[101] = {NULL};
    pthread_t thread;

    for (int i = 0; i < 100; i++) {
        BLOCK(blocks[i], memkind_malloc(MEMKIND_REGULAR, 1000));
        write_to(blocks[i], 1000, 3);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_INT(0, pthread_create(&thread, NULL, in_thread, i == 0 ? blocks : &blocks[100]));
        CHECK_INT(0, pthread_join(thread, NULL));
    }
    CODE(memkind_set_bg_threads(true), IS(MEMKIND_ERROR_OPERATION_FAILED));
    CODE(memkind_set_bg_threads(false), IS(MEMKIND_ERROR_OPERATION_FAILED));
}
