/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads look up addresses while others add and remove memory, attach and detach a kind, and let kinds grow: what is found
 * is a range as the map was told of it, what a thread has added itself is found until it removes it, and in the end
 * each range has gone as often as it came. */
#include "kind.h"

#include <pthread.h>
#include <stdatomic.h>

enum { PIECES = 16, ROUNDS = 4000, KINDS = 40, KEY = 0x5a5a };

static char area[PIECES * 4096] __attribute__((aligned(4096)));
static struct memkind_map *map;
static memkind_t kind;
static char *block;
static atomic_bool is_over;

/* What the map was told of, exactly. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    char *start;
    size_t size;
} mirror[256];
static int n_mirror;

static void *handle_of(void *address, size_t size)
{
    return (void *)((uintptr_t)address ^ size ^ KEY);
}

static int add(void *context, void *address, size_t size, void **handle)
{
    (void)context;
    *handle = handle_of(address, size);
    pthread_mutex_lock(&lock);
    for (int i = 0; i < n_mirror; i++)
        CHECK(mirror[i].start + mirror[i].size <= (char *)address || (char *)address + size <= mirror[i].start);
    mirror[n_mirror].start = address;
    mirror[n_mirror++].size = size;
    pthread_mutex_unlock(&lock);
    return 0;
}

static void forget(void *context, void *address, size_t size, void *handle)
{
    int place = 0;

    (void)context;
    CHECK_PTR(handle_of(address, size), handle);
    pthread_mutex_lock(&lock);
    while (place < n_mirror && mirror[place].start != (char *)address)
        place++;
    CHECK(place < n_mirror && mirror[place].size == size);
    mirror[place] = mirror[--n_mirror];
    pthread_mutex_unlock(&lock);
}

static bool is_found(const char *address)
{
    struct memkind_range range;
    const int code = memkind_map_find(map, address, &range);

    if (code != 0) {
        CHECK_INT(MEMKIND_ERROR_INVALID, code);
        return false;
    }
    CHECK_PTR(handle_of(range.address, range.size), range.handle);
    CHECK((char *)range.address <= address && address < (char *)range.address + range.size);
    return true;
}

static void *look_up(void *unused)
{
    while (!is_over) {
        for (int i = 0; i < PIECES; i++)
            is_found(area + i * 4096 + 100);
        is_found(block);
    }
    return unused;
}

static void *add_and_remove(void *unused)
{
    for (int i = 0; i < ROUNDS; i++) {
        char *piece = area + i % PIECES * 4096;
        const size_t size = i % PIECES + 1 < PIECES && i % 3 ? 8192 : 4096;

        CHECK(!is_found(piece));
        CHECK_INT(0, memkind_map_add(map, piece, size));
        CHECK(is_found(piece) && is_found(piece + size - 1));
        CHECK_INT(0, memkind_map_remove(map, piece, size));
        CHECK(!is_found(piece) && !is_found(piece + size - 1));
    }
    return unused;
}

static void *attach_and_detach(void *unused)
{
    for (int i = 0; i < ROUNDS / 4; i++) {
        CHECK_INT(0, memkind_map_attach(map, kind));
        CHECK(is_found(block));
        CHECK_INT(0, memkind_map_detach(map, kind));
        CHECK(!is_found(block));
    }
    return unused;
}

/* The kind that the others attach and detach grows to its limit, then come kinds of this thread's own. */
static void *grow(void *unused)
{
    while (memkind_malloc(kind, 100000) != NULL) {
    }
    for (int i = 0; i < KINDS; i++) {
        memkind_t own = make_wanted((struct wanted){.options = MEMKIND_OPTION_PIN, .slab_size = 2 * MIB});

        CHECK_INT(0, memkind_map_attach(map, own));
        for (int n = 0; n < 6; n++) {
            char *fresh = memkind_malloc(own, 700000);
            CHECK(fresh != NULL && is_found(fresh) && is_found(fresh + 699999));
        }
        CHECK_INT(0, memkind_destroy_kind(own));
    }
    return unused;
}

int main(void)
{
    void *(*const work[])(void *) = {look_up, look_up, add_and_remove, attach_and_detach, grow};
    pthread_t threads[5];

    CHECK_INT(0, memkind_map_create(add, forget, 0, NULL, &map));
    kind = make_wanted((struct wanted){.options = MEMKIND_OPTION_PIN, .slab_size = 2 * MIB, .limit = 20 * MIB});
    block = memkind_malloc(kind, 100);
    CHECK_NOT_NULL(block);
    for (int i = 0; i < 5; i++)
        CHECK_INT(0, pthread_create(&threads[i], NULL, work[i], NULL));
    for (int i = 2; i < 5; i++)
        pthread_join(threads[i], NULL);
    is_over = true;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(0, n_mirror);
    memkind_map_destroy(map);
    CHECK_INT(0, memkind_destroy_kind(kind));
    return 0;
}
