/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds work in atexit handlers, in destructors of the program, and in the destructor of a library that
 * runs after that of the library under test; data is readable to the end. The original has torn its
 * kinds down by then.
 * library: last
 * link: -l:last.so */
#include "output.h"

#define N_KINDS 6
#define SIZE (300 * KIB)

extern void (*last_action)(void);

static char area[16 * 1024 * 1024] __attribute__((aligned(4096)));
static memkind_t kinds[N_KINDS];
static char *data[N_KINDS];
static bool active;

static void use(const char *stage)
{
    for (unsigned i = 0; i < N_KINDS; i++) {
        CHECK(holds(data[i], SIZE, i));
        char *block = memkind_malloc(kinds[i], 10000), *zeroed = memkind_calloc(kinds[i], 1, 2 * MIB);
        void *aligned_block = NULL;

        CHECK_NOT_NULL(block);
        CHECK(all_zero(zeroed, 2 * MIB));
        fill(block, 10000, 9);
        block = memkind_realloc(kinds[i], block, 100 * KIB);
        CHECK(holds(block, 10000, 9));
        CHECK_PTR(kinds[i], memkind_detect_kind(block));
        CHECK_INT(0, memkind_posix_memalign(kinds[i], &aligned_block, 4096, 100));
        memkind_free(kinds[i], aligned_block);
        memkind_free(NULL, block);
        memkind_free(NULL, zeroed);
    }
    CHECK(write(STDOUT_FILENO, stage, strlen(stage)) > 0);
}

static void at_exit(void)
{
    use("atexit\n");
}

__attribute__((destructor)) static void destructor(void)
{
    if (active) {
        use("destructor\n");
    }
}

static void last(void)
{
    use("last\n");
}

static void child(void)
{
    CHECK_INT(0, atexit(at_exit));
    kinds[0] = MEMKIND_DEFAULT;
    kinds[1] = MEMKIND_REGULAR;
    kinds[2] = MEMKIND_HBW;
    kinds[3] = MEMKIND_INTERLEAVE;
    kinds[4] = make_pmem(test_dir(), 0);
    kinds[5] = make_fixed(area, sizeof(area));
    for (unsigned i = 0; i < N_KINDS; i++) {
        data[i] = memkind_malloc(kinds[i], SIZE);
        CHECK_NOT_NULL(data[i]);
        fill(data[i], SIZE, i);
    }
    active = true;
    if (!original()) {
        last_action = last;
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        child();
        return 0;
    }
    CHECK_OUTPUT(0, original() ? "atexit\ndestructor\n" : "atexit\ndestructor\nlast\n", "child",
                 ENV("MEMKIND_HBW_NODES=0"));
    return 0;
}
