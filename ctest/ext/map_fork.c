/* SPDX-License-Identifier: BSD-2-Clause */
/* A process forks while other threads let kinds grow into a map, add to it and remove from it, and all maps are asked
 * to forget a kind. The child looks up what its
 * parent knew, is told nothing, makes maps of its own, also on a kind that it has inherited, and ends its parent's map. */
#include "kind.h"

#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

enum { FORKS = 20, IDLE_MAPS = 500 };

static char area[64 * 4096] __attribute__((aligned(4096)));
static struct memkind_map *map, *idle[IDLE_MAPS];
static memkind_t inherited;
static atomic_bool is_over, is_child;
static atomic_int n_own;

static int add(void *context, void *address, size_t size, void **handle)
{
    (void)context, (void)size;
    CHECK(!is_child);
    *handle = address;
    return 0;
}

static void forget(void *context, void *address, size_t size, void *handle)
{
    (void)context, (void)size;
    CHECK(!is_child);
    CHECK_PTR(address, handle);
}

static int add_own(void *context, void *address, size_t size, void **handle)
{
    (void)context, (void)size;
    n_own++;
    *handle = address;
    return 0;
}

static void forget_own(void *context, void *address, size_t size, void *handle)
{
    (void)context, (void)address, (void)size, (void)handle;
    n_own--;
}

static memkind_t growing(unsigned more)
{
    return make_wanted((struct wanted){.options = MEMKIND_OPTION_PIN | more, .slab_size = 2 * MIB, .limit = 40 * MIB});
}

static void *grow(void *unused)
{
    while (!is_over) {
        memkind_t kind = growing(MEMKIND_OPTION_NO_FORK);

        CHECK_INT(0, memkind_map_attach(map, kind));
        for (int i = 0; i < 8; i++)
            CHECK_NOT_NULL(memkind_malloc(kind, MIB));
        CHECK_INT(0, memkind_destroy_kind(kind));
    }
    return unused;
}

static void *add_and_remove(void *unused)
{
    while (!is_over) {
        CHECK_INT(0, memkind_map_add(map, area + 8 * 4096, 8 * 4096));
        CHECK_INT(0, memkind_map_remove(map, area + 8 * 4096, 8 * 4096));
    }
    return unused;
}

/* Of each kind that goes all maps are told: for most of the time this thread looks through them. */
static void *come_and_go(void *unused)
{
    const memkind_t fixed = small_kind(MIB);

    while (!is_over) {
        CHECK_INT(0, memkind_map_attach(idle[0], fixed));
        CHECK_INT(0, memkind_map_detach(idle[0], fixed));
        for (int i = 0; i < 10; i++) {
            memkind_t kind = make_wanted((struct wanted){.alignment = 64});
            CHECK_INT(0, memkind_destroy_kind(kind));
        }
    }
    return unused;
}

/* A child that waits for what no thread of its gives says where. */
static void tell_where(int signal)
{
    void *callers[32];

    (void)signal;
    backtrace_symbols_fd(callers, backtrace(callers, 32), 2);
    _exit(1);
}

static void in_child(void)
{
    struct memkind_map *own;
    struct memkind_range range;
    char *block;

    signal(SIGALRM, tell_where);
    alarm(30);
    is_child = true;
    CHECK_INT(0, memkind_map_find(map, area + 5000, &range));
    CHECK(range.address == area && range.size == 2 * 4096 && range.handle == area);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_map_add(map, area + 32 * 4096, 4096));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_map_remove(map, area, 2 * 4096));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_map_attach(map, inherited));

    CHECK_INT(0, memkind_map_create(add_own, forget_own, 0, NULL, &own));
    CHECK_INT(0, memkind_map_attach(own, inherited));
    for (int i = 0; i < 4; i++) {
        block = memkind_malloc(inherited, MIB);
        CHECK_NOT_NULL(block);
        CHECK_INT(0, memkind_map_find(own, block + MIB - 1, &range));
    }
    CHECK_INT(usage_of(inherited).n_ranges, n_own);
    memkind_map_destroy(map);
    memkind_map_destroy(idle[0]);
    CHECK_INT(0, memkind_destroy_kind(inherited));
    CHECK_INT(0, n_own);
    memkind_map_destroy(own);
}

int main(void)
{
    pthread_t threads[3];

    CHECK_INT(0, memkind_map_create(add, forget, 0, NULL, &map));
    CHECK_INT(0, memkind_map_add(map, area, 2 * 4096));
    inherited = growing(0);
    CHECK_INT(0, memkind_map_attach(map, inherited));
    CHECK_NOT_NULL(memkind_malloc(inherited, 100));
    for (int i = 0; i < IDLE_MAPS; i++)
        CHECK_INT(0, memkind_map_create(add, forget, 0, NULL, &idle[i]));
    CHECK_INT(0, pthread_create(&threads[0], NULL, grow, NULL));
    CHECK_INT(0, pthread_create(&threads[1], NULL, add_and_remove, NULL));
    CHECK_INT(0, pthread_create(&threads[2], NULL, come_and_go, NULL));
    for (int i = 0; i < FORKS; i++) {
        const pid_t child = fork();

        if (child == 0) {
            in_child();
            _exit(0);
        }
        CHECK_INT(0, child_wait(child));
    }
    is_over = true;
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    memkind_map_destroy(map);
    for (int i = 0; i < IDLE_MAPS; i++)
        memkind_map_destroy(idle[i]);
    return 0;
}
