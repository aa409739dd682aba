/* SPDX-License-Identifier: BSD-2-Clause */
/* The malloc that libmemtier calls under DYNAMIC_THRESHOLD puts every block where memtier_malloc() puts
 * it, however the calls that count are mixed and however often the borders are checked. */
#include "memtier.h"

#include <sys/mman.h>

#define OPERATIONS 30000
#define LIVE 500

typedef void *(*malloc_by_size)(size_t size, struct memtier_memory *memory);

static void *plain(size_t size, struct memtier_memory *memory)
{
    return memtier_malloc(memory, size);
}

/* Notes for each operation the kind of its block: 1 or 2. */
static void run(malloc_by_size allocate, unsigned check_cnt, bool steady, char *kinds)
{
    static void *live[LIVE];
    struct memtier_builder *builder = two_tiers(MEMTIER_POLICY_DYNAMIC_THRESHOLD, 1, 3);
    unsigned random = 7;

    CHECK_INT(0, memtier_ctl_set(builder, "policy.dynamic_threshold.check_cnt", &check_cnt));
    struct memtier_memory *memory = build(builder);
    for (int i = 0; i < OPERATIONS; i++) {
        random = random * 1103515245 + 12345;
        void **place = &live[random % 4096 % LIVE];
        size_t size = 1 + (random >> 16) % (steady ? 64 : 2048);
        void *block = NULL;

        memtier_free(*place);
        switch (random >> 8 & 63) {
            case 0:
                block = memtier_calloc(memory, 1, size);
                break;
            case 1:
                CHECK_INT(0, memtier_posix_memalign(memory, &block, 64, size));
                break;
            case 2:
                block = memtier_realloc(memory, NULL, size);
                break;
            case 3:
                block = allocate(size * 64, memory);
                break;
            default:
                block = allocate(size, memory);
        }
        kinds[i] = memkind_detect_kind(block) == MEMKIND_DEFAULT ? 1 : 2;
        *place = block;
    }
}

/* In a process of its own: kinds have one counter for all memories. */
static void run_apart(malloc_by_size allocate, unsigned check_cnt, bool steady, char *kinds)
{
    fflush(NULL);
    const pid_t pid = fork();

    if (pid == 0) {
        run(allocate, check_cnt, steady, kinds);
        _exit(0);
    }
    CHECK(pid > 0);
    int status = -1;
    CHECK_INT(pid, waitpid(pid, &status, 0));
    CHECK_INT(0, status);
}

int main(void)
{
    static const unsigned check_cnts[] = {0, 1, 7, 20, 126, 127, 128, 300, 1000};
    malloc_by_size preload;

    *(void **)&preload = dlsym(RTLD_DEFAULT, "memtier_preload_malloc_by_size");
    if (preload == NULL) {
        SKIP("the library has no functions for preloading");
    }
    char *kinds = mmap(NULL, 2 * OPERATIONS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(kinds != MAP_FAILED);
    for (size_t i = 0; i < 2 * sizeof(check_cnts) / sizeof(check_cnts[0]); i++) {
        const unsigned check_cnt = check_cnts[i / 2];
        int n_second = 0;

        memset(kinds, 0, 2 * OPERATIONS);
        run_apart(plain, check_cnt, i % 2, kinds);
        run_apart(preload, check_cnt, i % 2, kinds + OPERATIONS);
        for (int j = 0; j < OPERATIONS; j++) {
            if (kinds[j] != kinds[OPERATIONS + j]) {
                FAIL("check_cnt %u: block %d is on tier %d, expected %d", check_cnt, j, kinds[OPERATIONS + j], kinds[j]);
            }
            n_second += kinds[j] == 2;
        }
        CHECK(n_second > 0 && n_second < OPERATIONS);
    }
    return 0;
}
