/* SPDX-License-Identifier: BSD-2-Clause */
/* The process's kinds for I/O buffers: one for each node, pinned, aligned, not inherited; and memory that was taken in
 * advance is handed out without taking more. */
#include "kind.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* From now on the process ends when it makes memory ready or maps any. */
static void forbid_growth(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mremap, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 23 /* MADV_POPULATE_WRITE */, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    CHECK_INT(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(0);
}

/* Blocks of a size, as many as there are bytes. */
static void take(memkind_t kind, size_t bytes, size_t size)
{
    for (size_t taken = 0; taken < bytes; taken += size) {
        char *block = memkind_malloc(kind, size);
        CHECK_NOT_NULL(block);
        block[0] = block[size - 1] = 1;
    }
}

static int n_told;

static int add(void *context, void *address, size_t size, void **handle)
{
    (void)context, (void)address, (void)size, (void)handle;
    n_told++;
    return 0;
}

/* The process takes `bytes` in advance, and then blocks of `size` bytes without a system call for them. */
static void prepared(size_t bytes, size_t size)
{
    pid_t child = fork();

    if (child == 0) {
        struct memkind_map *map;
        memkind_t kind;
        size_t n_ranges;

        CHECK_INT(0, memkind_dma_kind(-1, 0, &kind));
        CHECK_INT(0, memkind_map_create(add, NULL, 0, NULL, &map));
        CHECK_INT(0, memkind_map_attach(map, kind));
        CHECK_INT(0, memkind_prepare(kind, bytes));
        n_ranges = usage_of(kind).n_ranges;
        forbid_growth();
        take(kind, bytes, size);
        CHECK_INT(n_ranges, usage_of(kind).n_ranges);
        CHECK_INT(n_ranges, n_told);
        _exit(0);
    }
    CHECK_INT(0, child_wait(child));
}

static size_t free_memory(void)
{
    char line[128];
    size_t kib = 0;
    FILE *facts = fopen("/proc/meminfo", "r");

    while (facts != NULL && fgets(line, sizeof(line), facts) && sscanf(line, "MemAvailable: %zu", &kib) != 1) {
    }
    if (facts != NULL)
        fclose(facts);
    return kib * 1024;
}

int main(void)
{
    memkind_t kind = NULL, again = NULL, shared = NULL;
    struct memkind_usage usage;
    const int node = memkind_get_node(NULL);
    size_t offset;
    int fd;
    char *block;

    CHECK_INT(0, memkind_dma_kind(-1, 0, &kind));
    CHECK_INT(0, memkind_dma_kind(node, 0, &again));
    CHECK_PTR(kind, again);
    /* A node that does not exist. */
    CHECK_INT(0, memkind_dma_kind(1000, 0, &again));
    CHECK_INT(0, memkind_dma_kind(100000, 0, &again));
    CHECK_INT(0, memkind_dma_kind(0, MEMKIND_OPTION_SHARED, &shared));
    CHECK(shared != kind);
    again = (memkind_t)1;
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_dma_kind(0, MEMKIND_OPTION_PIN, &again));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_dma_kind(0, 0, NULL));
    CHECK_PTR((memkind_t)1, again);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_destroy_kind(kind));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_destroy_kind(shared));

    for (size_t size = 1; size < 3 * MIB; size = size * 5 / 4 + 1) {
        block = memkind_malloc(kind, size);
        CHECK(aligned(block, 64));
        memset(block, 1, size);
        CHECK_PTR(kind, memkind_detect_kind(block));
        memkind_free(NULL, block);
        CHECK(aligned(memkind_calloc(kind, size, 1), 64));
    }
    block = memkind_malloc(kind, 10);
    CHECK_INT(node, memkind_get_node(block));
    CHECK_INT(-1, memkind_get_node((void *)16));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_get_fd(block, &fd, &offset));
    CHECK_INT(0, memkind_get_fd(memkind_malloc(shared, 10), &fd, &offset));

    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_prepare(NULL, 1));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_prepare(MEMKIND_DEFAULT, 1));
    CHECK_INT(MEMKIND_ERROR_MALLOC, memkind_prepare(kind, (size_t)1 << 46));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_trim(NULL));
    CHECK_INT(0, memkind_trim(MEMKIND_DEFAULT));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_get_usage(NULL, &usage, sizeof(usage)));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_get_usage(kind, NULL, sizeof(usage)));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_get_usage(kind, &usage, 0));
    CHECK_INT(0, memkind_get_usage(MEMKIND_DEFAULT, &usage, sizeof(usage)));
    CHECK_INT(4096, usage.page_size);
    CHECK_INT(0, memkind_get_usage(kind, &usage, sizeof(size_t)));

    /* Blocks that are checked have more bytes than were asked for. */
    if (getenv("MEMKIND_CHECKS") != NULL)
        return 0;
    prepared(64 * MIB, MIB);
    prepared(64 * MIB, 64 * KIB);
    prepared(64 * MIB, 100000);
    prepared(64 * MIB, 17000);
    prepared(64 * MIB, 4096);
    prepared(64 * MIB, 64);
    if (free_memory() < 3 * GIB) {
        printf("less than 3 GiB of memory are free for what takes 1 GiB in advance\n");
        return 77;
    }
    prepared(GIB, MIB);
    prepared(GIB, 300);
    return 0;
}
