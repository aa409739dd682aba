/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that has freed much and goes on with little gets its memory back to the system, although all that it
 * still does is served by the library's caches. jemalloc is told to wait one second instead of ten. */
#include "output.h"
#include "pmem.h"
#include "process.h"

#include <time.h>

enum { BLOCKS = 60000, LARGEST = 1200, SECONDS = 30 };

static size_t active(memkind_t kind)
{
    size_t bytes = 0;

    CHECK_INT(0, memkind_update_cached_stats());
    CHECK_INT(0, memkind_get_stat(kind, MEMKIND_STAT_TYPE_ACTIVE, &bytes));
    return bytes;
}

static void use(memkind_t kind, size_t pairs)
{
    for (size_t i = 0; i < pairs; i++) {
        memkind_free(kind, memkind_malloc(kind, 100 + i % 16 * 64));
    }
}

/* `warm` pairs follow the frees at once: the last of what the program does often. Then come `few` pairs of `other` at a
 * time, until the memory has gone back; 165 to 340 single ones are enough, however long they take. In
 * 600 a thread that looks at the clock after 512 frees would not have looked twice. */
static void check_kinds(memkind_t kind, size_t warm, memkind_t other, size_t few)
{
    static void *blocks[BLOCKS];
    const struct timespec pause = {0, few > 1 ? 20000000 : 50000000};
    size_t rounds = 0;
    size_t bytes = 0;

    use(kind, 1000);
    const size_t before = resident_memory();
    for (size_t i = 0; i < BLOCKS; i++) {
        const size_t size = i * 7919 % LARGEST + 1;

        blocks[i] = memkind_malloc(kind, size);
        CHECK_NOT_NULL(blocks[i]);
        memset(blocks[i], 1, size);
        bytes += size;
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        memkind_free(kind, blocks[i]);
    }
    use(kind, warm);
    const time_t end = time(NULL) + SECONDS;
    size_t now = 0;

    do {
        nanosleep(&pause, NULL);
        /* Each finds a block in a cache, unless the kind has none. */
        use(other, few);
        rounds++;
        now = resident_memory();
    } while (now > before + bytes / 8 && (few > 1 ? time(NULL) <= end : rounds < 600));
    if (now > before + bytes / 8) {
        FAIL("%zu of %zu KiB have not gone back", (now - before) / KIB, bytes / KIB);
    }
    CHECK(active(kind) <= MIB);
}

static void check_kind(memkind_t kind, size_t warm, size_t few)
{
    check_kinds(kind, warm, kind, few);
}

static int child(const char *what)
{
    check_context = what;
    if (strcmp(what, "file") == 0) {
        check_kind(make_pmem(test_dir(), 0), 0, 8);
    } else if (strcmp(what, "busy") == 0) {
        check_kind(MEMKIND_DEFAULT, 20000, 8);
    } else if (strcmp(what, "uncached") == 0) {
        /* A kind that gives its memory back at once has no caches. */
        check_kinds(MEMKIND_DEFAULT, 0, make_pmem_with_policy(test_dir(), 0, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE), 8);
    } else if (strcmp(what, "seldom") == 0) {
        check_kind(MEMKIND_DEFAULT, 0, 1);
    } else {
        check_kind(strcmp(what, "default") == 0 ? MEMKIND_DEFAULT : MEMKIND_REGULAR, 0, 8);
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const all[] = {"default", "regular", "file", "busy", "seldom", "uncached"};
    enum { ALL = sizeof(all) / sizeof(all[0]) };
    pid_t pids[ALL];

    if (argc > 1) {
        return child(argv[1]);
    }
    if (original()) {
        SKIP("keeps about half");
    }
    for (size_t i = 0; i < ALL; i++) {
        fflush(NULL);
        pids[i] = fork();
        CHECK(pids[i] >= 0);
        if (pids[i] == 0) {
            _exit(run_again(all[i], ENV("_RJEM_MALLOC_CONF=dirty_decay_ms:1000,muzzy_decay_ms:0", "MEMKIND_HOG_MEMORY")));
        }
    }
    for (size_t i = 0; i < ALL; i++) {
        CHECK_CHILD(child_wait(pids[i]));
    }
    return 0;
}
