/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds of the stress test: all static ones that exist, and dynamic ones that come and go. */
#include "model.h"

#include <stdarg.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

struct kind kinds[MOST_KINDS];
unsigned n_kinds;
bool may_renew = true, may_refill = true, may_count = true;
_Atomic uint64_t kinds_renewed;

void failed(const struct thread *thread, const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    flockfile(stderr);
    fprintf(stderr, "%s:%d: seed %llu, thread %llu%s, %s: ", file, line, (unsigned long long)thread->seed,
            (unsigned long long)thread->number, thread->child ? " in a forked child" : "", thread->what);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    fflush(stderr);
    /* With a core, where the machine makes one. */
    if (getenv("STRESS_ABORT") != NULL) {
        abort();
    }
    _exit(1);
}

struct thread new_thread(uint64_t seed, uint64_t number)
{
    return (struct thread){
        .random = (seed ^ (number * 0x9e3779b97f4a7c15u)) | 1, .seed = seed, .number = number, .what = "starting"};
}

uint64_t chance(struct thread *thread, uint64_t one_of)
{
    thread->random ^= thread->random << 13;
    thread->random ^= thread->random >> 7;
    thread->random ^= thread->random << 17;
    return (thread->random >> 11) % one_of;
}

bool enter_kind(unsigned k)
{
    int users = atomic_load(&kinds[k].users);
    while (users >= 0) {
        if (atomic_compare_exchange_weak(&kinds[k].users, &users, users + 1)) {
            return true;
        }
    }
    return false;
}

void leave_kind(unsigned k)
{
    atomic_fetch_sub(&kinds[k].users, 1);
}

/* ---- Static kinds ---- */

static void add_static(const char *name, memkind_t kind, bool huge)
{
    if (memkind_check_available(kind) != 0) {
        return;
    }
    /* No huge pages are set aside on most machines: then the kind is there, and empty. */
    snprintf(kinds[n_kinds].name, sizeof(kinds[n_kinds].name), "%s", name);
    kinds[n_kinds].kind = kind;
    kinds[n_kinds].huge = huge;
    n_kinds++;
}

#define STATIC(kind, huge) add_static(#kind, kind, huge)

static void add_static_kinds(void)
{
    STATIC(MEMKIND_DEFAULT, false);
    STATIC(MEMKIND_REGULAR, false);
    STATIC(MEMKIND_INTERLEAVE, false);
    STATIC(MEMKIND_HIGHEST_CAPACITY, false);
    STATIC(MEMKIND_HBW, false);
    STATIC(MEMKIND_HBW_ALL, false);
    STATIC(MEMKIND_HBW_PREFERRED, false);
    STATIC(MEMKIND_HBW_INTERLEAVE, false);
    STATIC(MEMKIND_DAX_KMEM, false);
    STATIC(MEMKIND_HUGETLB, true);
}

/* ---- Dynamic kinds ---- */

static void make_pmem(struct thread *thread, struct kind *kind)
{
    static const char *const directories[] = {"/dev/shm", "/tmp"};
    const char *directory = directories[chance(thread, 4) == 0];
    /* A limit, now and then none. */
    kind->file = true;
    kind->limit = chance(thread, 4) == 0 ? 0 : MEMKIND_PMEM_MIN_SIZE + (size_t)chance(thread, 64 << 20);
    struct memkind_config *config = memkind_config_new();
    REQUIRE(thread, config != NULL, "config_new");
    memkind_config_set_path(config, directory);
    memkind_config_set_size(config, kind->limit);
    bool conservative = chance(thread, 3) == 0;
    memkind_config_set_memory_usage_policy(config, conservative ? MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE
                                                                : MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    int error = memkind_create_pmem_with_config(config, &kind->kind);
    memkind_config_delete(config);
    REQUIRE(thread, error == 0, "a kind in %s of %zu bytes: %d", directory, kind->limit, error);
    snprintf(kind->name, sizeof(kind->name), "pmem %s %zu%s", directory, kind->limit, conservative ? " cons." : "");
    if (strcmp(directory, "/dev/shm") != 0 && kind->limit == 0) {
        /* The disk may be smaller than what the test would like. */
        kind->limit = SIZE_MAX;
    }
}

static void make_fixed(struct thread *thread, struct kind *kind)
{
    size_t limit = MEMKIND_PMEM_MIN_SIZE + (size_t)chance(thread, 64 << 20), skew = (size_t)chance(thread, 3) * 808;
    kind->area_size = limit + skew;
    kind->area = mmap(NULL, kind->area_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(thread, kind->area != MAP_FAILED, "mmap of %zu bytes", kind->area_size);
    int error = memkind_create_fixed((char *)kind->area + skew, limit, &kind->kind);
    REQUIRE(thread, error == 0, "a kind at %p of %zu bytes: %d", kind->area, limit, error);
    kind->limit = limit;
    snprintf(kind->name, sizeof(kind->name), "fixed %p %zu", (void *)((char *)kind->area + skew), limit);
}

static void make_dynamic(struct thread *thread, struct kind *kind)
{
    thread->what = "creating a kind";
    kind->dynamic = true;
    kind->area = NULL;
    kind->file = false;
    if (chance(thread, 2) == 0) {
        make_pmem(thread, kind);
    } else {
        make_fixed(thread, kind);
    }
}

void make_kinds(struct thread *thread, bool dynamic)
{
    add_static_kinds();
    for (unsigned i = 0; dynamic && i < 6; i++) {
        make_dynamic(thread, &kinds[n_kinds]);
        n_kinds++;
    }
    REQUIRE(thread, n_kinds > 1, "only %u kinds", n_kinds);
}

void destroy_kind(struct thread *thread, unsigned k)
{
    struct kind *kind = &kinds[k];
    thread->what = "destroying a kind";
    int error = memkind_destroy_kind(kind->kind);
    REQUIRE(thread, error == 0, "%s: destroy_kind: %d", kind->name, error);
    if (kind->area != NULL) {
        /* The area is the program's again: nothing in the library may look at it any more. */
        memset(kind->area, 0xa5, 4096);
        REQUIRE(thread, munmap(kind->area, kind->area_size) == 0, "munmap");
    }
    kind->generation++;
}

void check_empty(struct thread *thread, unsigned k)
{
    struct kind *kind = &kinds[k];
    size_t allocated = 0;
    thread->what = "looking at an empty kind";
    if (may_count) {
        REQUIRE(thread, memkind_update_cached_stats() == 0, "update_cached_stats");
        int error = memkind_get_stat(kind->kind, MEMKIND_STAT_TYPE_ALLOCATED, &allocated);
        REQUIRE(thread, error == 0 && allocated == 0, "%s: all is free, get_stat gives %d and %zu allocated bytes",
                kind->name, error, allocated);
    }
    if (!may_refill || kind->limit == 0 || kind->limit == SIZE_MAX) {
        return;
    }
    /* Some of it can be had in blocks of one size (arenas of other threads keep what they grew by), and as
     * much when these are free once more. */
    enum { SIZE = 32768, MOST = (MEMKIND_PMEM_MIN_SIZE + (64 << 20)) / SIZE };
    void **all = malloc(MOST * sizeof(void *));
    for (size_t again = 0, before = kind->limit / SIZE / 8; again < 3; again++) {
        size_t n = 0;
        while (n < MOST && (all[n] = memkind_malloc(kind->kind, SIZE)) != NULL) {
            *(size_t *)all[n] = n;
            n++;
        }
        REQUIRE(thread, n >= before - before / 8, "%s: %zu blocks of %d bytes fit when all is free, %zu expected, round %zu",
                kind->name, n, SIZE, before, again);
        before = n;
        while (n-- > 0) {
            REQUIRE(thread, *(size_t *)all[n] == n, "%s: block %zu has changed", kind->name, n);
            memkind_free(chance(thread, 2) ? NULL : kind->kind, all[n]);
        }
    }
    free(all);
}

/* Frees the blocks of a kind that no other thread can enter. */
static void free_blocks_of(struct thread *thread, unsigned k)
{
    for (unsigned i = 0; i < n_blocks; i++) {
        struct block *block = &blocks[i];
        while (!try_lock_block(block)) {
            sched_yield();
        }
        if (block->address != NULL && block->kind == k && block->generation == kinds[k].generation) {
            check_block(thread, block);
            free_block(thread, block);
        }
        unlock_block(block);
    }
}

void renew_kind(struct thread *thread)
{
    unsigned k = (unsigned)chance(thread, n_kinds);
    int none = 0;
    /* Only when no thread uses the kind: two threads could wait for each other. */
    if (!kinds[k].dynamic || !atomic_compare_exchange_strong(&kinds[k].users, &none, -1)) {
        return;
    }
    switch (chance(thread, 3)) {
    case 0:
        free_blocks_of(thread, k);
        check_empty(thread, k);
        break;
    case 1:
        free_blocks_of(thread, k);
        break;
    default:
        break;
    }
    destroy_kind(thread, k);
    make_dynamic(thread, &kinds[k]);
    kinds_renewed++;
    atomic_store(&kinds[k].users, 0);
}
