/* SPDX-License-Identifier: BSD-2-Clause */
/* A map is told of every range of a kind before any of it is handed out, finds the handle for each address, splits large
 * ranges, takes back what is refused, and forgets in reverse order. */
#include "kind.h"

#include <sys/resource.h>

static struct {
    char *address;
    size_t size;
} known[1024];
static int n_known, n_adds, refuse_at = -1;
static char *refused_address;

static int add(void *context, void *address, size_t size, void **handle)
{
    CHECK_PTR(known, context);
    if (n_adds++ == refuse_at) {
        refused_address = address;
        return 1;
    }
    known[n_known].address = address;
    known[n_known].size = size;
    *handle = (void *)(uintptr_t)(n_known + 1);
    n_known++;
    return 0;
}

static void forget(void *context, void *address, size_t size, void *handle)
{
    CHECK_PTR(known, context);
    n_known--;
    CHECK_PTR(known[n_known].address, address);
    CHECK_INT(known[n_known].size, size);
    CHECK_PTR((void *)(uintptr_t)(n_known + 1), handle);
}

static struct memkind_map *make_map(size_t max_size)
{
    struct memkind_map *map = NULL;

    CHECK_INT(0, memkind_map_create(add, forget, max_size, known, &map));
    CHECK_NOT_NULL(map);
    return map;
}

static memkind_t pinned(void)
{
    return make_wanted((struct wanted){.options = MEMKIND_OPTION_PIN, .slab_size = 4 * MIB, .limit = 40 * MIB});
}

static void check_found(struct memkind_map *map)
{
    struct memkind_range range;

    for (int i = 0; i < n_known; i++)
        for (size_t place = 0; place < known[i].size; place += 4095) {
            CHECK_INT(0, memkind_map_find(map, known[i].address + place, &range));
            CHECK_PTR(known[i].address, range.address);
            CHECK_INT(known[i].size, range.size);
            CHECK_INT(i + 1, (uintptr_t)range.handle);
        }
}

static void grows(size_t max_size)
{
    struct memkind_map *map = make_map(max_size);
    struct memkind_range range;
    memkind_t kind = pinned();
    void *first = memkind_malloc(kind, 100);
    char *block;

    CHECK_NOT_NULL(first);
    CHECK_INT(0, memkind_map_attach(map, kind));
    CHECK(n_known > 0);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_map_attach(map, kind));
    while ((block = memkind_malloc(kind, 100000)) != NULL) {
        CHECK_INT(0, memkind_map_find(map, block, &range));
        CHECK_INT(0, memkind_map_find(map, block + 99999, &range));
    }
    CHECK_INT(max_size ? 20 : 10, n_known);
    check_found(map);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_map_find(map, &range, &range));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_map_find(map, NULL, &range));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_map_find(map, (void *)UINTPTR_MAX, &range));
    CHECK_INT(0, memkind_map_detach(map, kind));
    CHECK_INT(0, n_known);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_map_find(map, first, &range));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_map_detach(map, kind));
    CHECK_INT(0, memkind_map_attach(map, kind));
    if (max_size) {
        CHECK_INT(0, memkind_destroy_kind(kind));
        CHECK_INT(0, n_known);
        memkind_map_destroy(map);
    } else {
        memkind_map_destroy(map);
        CHECK_INT(0, n_known);
        CHECK_INT(0, memkind_destroy_kind(kind));
    }
}

/* What is refused in the middle of a range, or of a kind, leaves nothing behind. */
static void refused(void)
{
    struct memkind_map *map = make_map(MIB);
    memkind_t kind = pinned();
    void *block;

    CHECK_NOT_NULL(memkind_malloc(kind, 7 * MIB));
    n_adds = 0;
    refuse_at = 2;
    CHECK_INT(MEMKIND_ERROR_OPERATION_FAILED, memkind_map_attach(map, kind));
    CHECK_INT(0, n_known);
    refuse_at = -1;
    CHECK_INT(0, memkind_map_attach(map, kind));
    block = memkind_malloc(kind, 100);
    for (int part = 0; part < 4; part++) {
        const int before = n_known;
        const size_t held = usage_of(kind).held;

        n_adds = 0;
        refuse_at = part;
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, 7 * MIB));
        CHECK_INT(before, n_known);
        CHECK_INT(held, usage_of(kind).held);
        /* What is mapped there next is not the kind's. */
        CHECK_NULL(memkind_detect_kind(refused_address));
    }
    refuse_at = -1;
    CHECK_NOT_NULL(memkind_malloc(kind, 7 * MIB));
    check_found(map);
    memkind_free(kind, block);
    CHECK_INT(0, memkind_destroy_kind(kind));
    CHECK_INT(0, n_known);
    memkind_map_destroy(map);
}

static void own_memory(void)
{
    static char area[16 * 4096] __attribute__((aligned(4096)));
    struct memkind_map *map = make_map(3 * 4096), *none = (struct memkind_map *)1;
    memkind_t fixed = small_kind(MIB);

    CHECK_INT(0, memkind_map_add(map, area, sizeof(area)));
    CHECK_INT(6, n_known);
    check_found(map);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_map_add(map, area + 4096, 4096));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_map_add(map, area + 1, 4096));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_map_add(map, area, 0));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_map_add(map, NULL, 4096));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_map_remove(map, area, 4096));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_map_remove(map, area + 4096, 4096));
    CHECK_INT(0, memkind_map_remove(map, area, sizeof(area)));
    CHECK_INT(0, n_known);

    CHECK_INT(0, memkind_map_attach(map, fixed));
    check_found(map);
    CHECK_INT(0, memkind_destroy_kind(fixed));
    CHECK_INT(0, n_known);

    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_map_attach(map, MEMKIND_DEFAULT));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_map_attach(map, NULL));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_map_attach(NULL, MEMKIND_DEFAULT));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_map_create(NULL, forget, 0, NULL, &none));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_map_create(add, forget, 0, NULL, NULL));
    CHECK_PTR((struct memkind_map *)1, none);
    memkind_map_destroy(map);
    memkind_map_destroy(NULL);
}

/* Without memory for its table a map takes back what it was told. */
static void without_memory(void)
{
    static char area[4096] __attribute__((aligned(4096)));
    struct memkind_map *map = make_map(0);
    struct memkind_range range;
    memkind_t kind = pinned();
    struct rlimit any;

    CHECK_NOT_NULL(memkind_malloc(kind, 100));
    CHECK_INT(0, getrlimit(RLIMIT_AS, &any));
    CHECK_INT(0, setrlimit(RLIMIT_AS, &(struct rlimit){MIB, any.rlim_max}));
    CHECK_INT(ENOMEM, memkind_map_add(map, area, sizeof(area)));
    CHECK_INT(0, n_known);
    CHECK_INT(MEMKIND_ERROR_OPERATION_FAILED, memkind_map_attach(map, kind));
    CHECK_INT(0, n_known);
    CHECK_INT(0, setrlimit(RLIMIT_AS, &any));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_map_find(map, area, &range));
    CHECK_INT(0, memkind_map_add(map, area, sizeof(area)));
    CHECK_INT(0, memkind_map_attach(map, kind));
    check_found(map);
    memkind_map_destroy(map);
    CHECK_INT(0, n_known);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    without_memory();
    grows(0);
    grows(2 * MIB);
    refused();
    own_memory();
    return 0;
}
