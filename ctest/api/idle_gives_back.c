/* SPDX-License-Identifier: BSD-2-Clause */
/* Freed memory goes back when its time has come, also where all that the program still does is served
 * by the library's caches, and where it has turned to another kind. With MEMKIND_HOG_MEMORY it stays.
 * jemalloc is told to wait one second instead of ten. */
#include "output.h"
#include "process.h"

#include <time.h>

enum { LARGE = 64, SMALL = 1000 };

static void use_small_blocks(memkind_t kind)
{
    static void *blocks[SMALL];

    for (size_t i = 0; i < SMALL; i++) {
        blocks[i] = memkind_malloc(kind, 64);
        CHECK_NOT_NULL(blocks[i]);
    }
    for (size_t i = 0; i < SMALL; i++) {
        memkind_free(kind, blocks[i]);
    }
}

/* Uses `freed` much and then only `used`; whether the memory has gone back `seconds` later at the latest. */
static bool gives_back(memkind_t freed, memkind_t used, time_t seconds)
{
    const struct timespec pause = {0, 10000000};
    void *blocks[LARGE];

    /* The caches have what is needed later. */
    use_small_blocks(used);
    use_small_blocks(used);
    const size_t before = resident_memory();
    for (size_t i = 0; i < LARGE; i++) {
        blocks[i] = memkind_malloc(freed, MIB);
        CHECK_NOT_NULL(blocks[i]);
        memset(blocks[i], 1, MIB);
    }
    CHECK(resident_memory() >= before + LARGE * MIB * 9 / 10);
    for (size_t i = 0; i < LARGE; i++) {
        memkind_free(freed, blocks[i]);
    }
    const time_t end = time(NULL) + seconds;
    while (time(NULL) <= end) {
        use_small_blocks(used);
        if (resident_memory() <= before + LARGE * MIB / 10) {
            return true;
        }
        nanosleep(&pause, NULL);
    }
    return false;
}

static memkind_t fixed_kind(void)
{
    static char area[2 * LARGE * MIB] __attribute__((aligned(4096)));

    return make_fixed(area, sizeof(area));
}

static int child(const char *what)
{
    if (strcmp(what, "same") == 0) {
        CHECK(gives_back(MEMKIND_DEFAULT, MEMKIND_DEFAULT, 20));
        CHECK(gives_back(MEMKIND_REGULAR, MEMKIND_REGULAR, 20));
    } else if (strcmp(what, "other") == 0) {
        CHECK(gives_back(MEMKIND_REGULAR, MEMKIND_DEFAULT, 20));
        CHECK(gives_back(make_pmem(test_dir(), 0), MEMKIND_DEFAULT, 20));
        /* A kind that is gone is not looked at. */
        CHECK_INT(0, memkind_destroy_kind(fixed_kind()));
        CHECK(gives_back(MEMKIND_DEFAULT, MEMKIND_REGULAR, 20));
    } else {
        CHECK(!gives_back(make_pmem(test_dir(), 0), MEMKIND_DEFAULT, 3));
        CHECK(!gives_back(fixed_kind(), MEMKIND_DEFAULT, 3));
    }
    return 0;
}

/* Runs the program again and does not wait. */
static pid_t start(const char *what, const char *const changes[])
{
    fflush(NULL);
    const pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        _exit(run_again(what, changes));
    }
    return pid;
}

int main(int argc, char **argv)
{
    static const char soon[] = "JEMK_MALLOC_CONF=dirty_decay_ms:1000,muzzy_decay_ms:0";

    if (argc > 1) {
        return child(argv[1]);
    }
    const pid_t same = start("same", ENV(soon, "MEMKIND_HOG_MEMORY"));
    /* 1.14.0 does not look at a kind that is not used. */
    if (!original()) {
        const pid_t other = start("other", ENV(soon, "MEMKIND_HOG_MEMORY"));
        const pid_t hog = start("hog", ENV(soon, "MEMKIND_HOG_MEMORY=1"));
        CHECK_CHILD(child_wait(other));
        CHECK_CHILD(child_wait(hog));
    }
    CHECK_CHILD(child_wait(same));
    return 0;
}
