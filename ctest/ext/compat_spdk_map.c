/* SPDX-License-Identifier: BSD-2-Clause */
/* SPDK's names for registration and translation: maps are told of all memory of spdk_malloc() before it is handed out, and
 * of what is registered; a refusal undoes itself.
 * compile: -Ibuild/include/memkind/compat ctest/ext/parts/spdk_register.c
 */
#include "kind.h"
#include "spdk/env.h"

int register_elsewhere(void *address, size_t size);
int unregister_elsewhere(void *address, size_t size);

#define NOTHING UINT64_C(0x1234)

/* What a map was told: a mirror of its ranges, newest last. */
struct told {
    struct spdk_mem_map *map;
    struct {
        char *start;
        size_t size;
    } ranges[256];
    int n;
    int refuse; /* the error for the next range */
};

static int told_of(void *told_, struct spdk_mem_map *map, enum spdk_mem_map_notify_action action, void *vaddr, size_t size)
{
    struct told *told = told_;
    int place = told->n - 1;

    CHECK(told->map == NULL || told->map == map);
    if (action == SPDK_MEM_MAP_NOTIFY_REGISTER) {
        if (told->refuse)
            return told->refuse;
        told->ranges[told->n].start = vaddr;
        told->ranges[told->n++].size = size;
        return spdk_mem_map_set_translation(map, (uintptr_t)vaddr, size, (uintptr_t)vaddr + 7);
    }
    while (place >= 0 && told->ranges[place].start != (char *)vaddr)
        place--;
    CHECK(place >= 0 && told->ranges[place].size == size);
    told->n--;
    memmove(&told->ranges[place], &told->ranges[place + 1], sizeof(told->ranges[0]) * (size_t)(told->n - place));
    return spdk_mem_map_clear_translation(map, (uintptr_t)vaddr, size);
}

static int one_step(uint64_t before, uint64_t after)
{
    return before == after;
}

static const struct spdk_mem_map_ops ops = {told_of, one_step}, apart = {told_of, NULL};
static struct told first, second;

static bool knows(const struct told *told, const char *block, size_t size)
{
    for (int i = 0; i < told->n; i++)
        if (told->ranges[i].start <= block && block + size <= told->ranges[i].start + told->ranges[i].size)
            return true;
    return false;
}

/* Blocks from before a map and from after it, of every node and both ways to share. */
static void all_memory_is_told(void)
{
    void *before = spdk_malloc(100000, 64, NULL, 0, SPDK_MALLOC_DMA), *block;
    uint64_t size;

    first.map = spdk_mem_map_alloc(NOTHING, &ops, &first);
    CHECK_NOT_NULL(first.map);
    CHECK(knows(&first, before, 100000));
    second.map = spdk_mem_map_alloc(NOTHING, &apart, &second);
    CHECK_NOT_NULL(second.map);
    CHECK_INT(first.n, second.n);
    for (int i = 0; i < 40; i++) {
        block = spdk_malloc(5 * MIB, 64, NULL, i % 8 - 1, i & 1 ? SPDK_MALLOC_DMA : SPDK_MALLOC_SHARE);
        CHECK(knows(&first, block, 5 * MIB) && knows(&second, block, 5 * MIB));
        size = 5 * MIB;
        CHECK(spdk_mem_map_translate(first.map, (uintptr_t)block, &size) != NOTHING);
        CHECK_INT(5 * MIB, size);
        size = 5 * MIB;
        CHECK(spdk_mem_map_translate(second.map, (uintptr_t)block, &size) != NOTHING);
        CHECK_INT(2 * MIB - (uintptr_t)block % (2 * MIB), size);
        if (i % 2)
            spdk_free(block);
    }
    CHECK_INT(first.n, second.n);

    /* What one refuses, no other keeps, and there is no memory. */
    second.refuse = -EPERM;
    size = first.n;
    CHECK_ALLOC_FAILS(ENOMEM, spdk_malloc(200 * MIB, 64, NULL, 0, SPDK_MALLOC_DMA));
    CHECK_INT(size, first.n);
    CHECK_INT(size, second.n);
    first.refuse = -EPERM;
    second.refuse = 0;
    CHECK_ALLOC_FAILS(ENOMEM, spdk_malloc(200 * MIB, 64, NULL, 0, SPDK_MALLOC_DMA));
    CHECK_INT(size, second.n);
    first.refuse = 0;
    CHECK_NULL(spdk_mem_map_alloc(NOTHING, &ops, &(struct told){.refuse = -1}));
}

static void own_memory_is_told(void)
{
    char *area = (char *)(((uintptr_t)map_area(10 * MIB) + 2 * MIB - 1) & ~(2 * MIB - 1));
    const int before = first.n;
    struct told third = {0};

    CHECK_INT(0, spdk_mem_register(area, 0));
    CHECK_INT(-EINVAL, spdk_mem_register(area + 1, 4096));
    CHECK_INT(-EINVAL, spdk_mem_register(area, 4095));
    CHECK_INT(-EINVAL, spdk_mem_register((void *)(UINTPTR_MAX - 4095), 8192));
    CHECK_INT(0, register_elsewhere(area, 4 * MIB));
    CHECK_INT(before + 1, first.n);
    CHECK_INT(before + 1, second.n);
    CHECK(knows(&first, area, 4 * MIB) && knows(&second, area, 4 * MIB));
    CHECK_INT(-EBUSY, spdk_mem_register(area + 4096, 4096));
    CHECK_INT(-EBUSY, spdk_mem_register(first.ranges[0].start, first.ranges[0].size));
    CHECK_INT(0, spdk_mem_register(area + 4 * MIB, MIB));
    third.map = spdk_mem_map_alloc(NOTHING, &ops, &third);
    CHECK(third.map != NULL && third.n == first.n);

    /* Each map refuses in turn, with its own error. */
    for (int i = 0; i < 3; i++) {
        struct told *one = i == 0 ? &first : i == 1 ? &second : &third;

        one->refuse = -EPERM - i;
        CHECK_INT(-EPERM - i, spdk_mem_register(area + 6 * MIB, MIB));
        CHECK(first.n == before + 2 && second.n == before + 2 && third.n == before + 2);
        one->refuse = 0;
    }
    CHECK_INT(-EINVAL, spdk_mem_unregister(area + 6 * MIB, MIB));
    CHECK_INT(-ERANGE, spdk_mem_unregister(area, MIB));
    CHECK_INT(-ERANGE, spdk_mem_unregister(area + 4096, 4 * MIB - 4096));
    CHECK_INT(-EINVAL, spdk_mem_unregister(area, 6 * MIB));
    CHECK_INT(before + 2, first.n);
    CHECK_INT(0, unregister_elsewhere(area, 5 * MIB));
    CHECK_INT(before, first.n);
    CHECK(spdk_mem_map_translate(first.map, (uintptr_t)area, NULL) == NOTHING);
    spdk_mem_map_free(&third.map);
    CHECK(third.n == 0 && third.map == NULL);
    spdk_mem_map_free(&third.map);
}

/* A map without callbacks has what is set, for addresses of any kind. */
static void translations(void)
{
    struct spdk_mem_map *map = spdk_mem_map_alloc(NOTHING, NULL, NULL);
    const uint64_t base = UINT64_C(1) << 40;
    uint64_t size = 100 * MIB;

    CHECK_NOT_NULL(map);
    CHECK(spdk_mem_map_translate(map, base, &size) == NOTHING && size == 100 * MIB);
    CHECK_INT(0, spdk_mem_map_set_translation(map, base, 6 * MIB, 1));
    CHECK_INT(0, spdk_mem_map_set_translation(map, base + 2 * MIB, 2 * MIB, 2));
    CHECK(spdk_mem_map_translate(map, base + 2 * MIB - 1, &size) == 1 && size == 1);
    CHECK(spdk_mem_map_translate(map, base + 2 * MIB, NULL) == 2);
    CHECK(spdk_mem_map_translate(map, base + 6 * MIB - 1, NULL) == 1);
    CHECK(spdk_mem_map_translate(map, base + 6 * MIB, NULL) == NOTHING);
    CHECK_INT(0, spdk_mem_map_clear_translation(map, base + 2 * MIB, 2 * MIB));
    CHECK(spdk_mem_map_translate(map, base + 2 * MIB, NULL) == NOTHING);
    CHECK(spdk_mem_map_translate(map, base + 4 * MIB, NULL) == 1);
    CHECK_INT(0, spdk_mem_map_clear_translation(map, base, 100 * MIB));
    CHECK_INT(0, spdk_mem_map_set_translation(map, base, 8192, 3));
    CHECK_INT(-EINVAL, spdk_mem_map_set_translation(map, base, 4096, 4));
    CHECK_INT(-EINVAL, spdk_mem_map_set_translation(map, base + 1, 4096, 4));
    CHECK(spdk_mem_map_translate(map, base + 8191, NULL) == 3);

    /* What is set around smaller ones replaces them, and what is cleared around them takes them away. */
    CHECK_INT(0, spdk_mem_map_set_translation(map, base + MIB, 4096, 5));
    CHECK_INT(0, spdk_mem_map_set_translation(map, base + 3 * MIB, 8192, 6));
    CHECK_INT(-EINVAL, spdk_mem_map_set_translation(map, base + 4096, 4 * MIB - 4096, 7));
    CHECK_INT(-EINVAL, spdk_mem_map_set_translation(map, base + 2 * MIB, MIB + 4096, 7));
    CHECK(spdk_mem_map_translate(map, base + MIB, NULL) == 5);
    CHECK_INT(0, spdk_mem_map_set_translation(map, base, 4 * MIB, 7));
    for (uint64_t place = base; place < base + 4 * MIB; place += 4096)
        CHECK(spdk_mem_map_translate(map, place, NULL) == 7);
    CHECK_INT(0, spdk_mem_map_clear_translation(map, base, 4 * MIB));
    CHECK_INT(0, spdk_mem_map_set_translation(map, base + MIB, 4096, 5));
    CHECK_INT(0, spdk_mem_map_clear_translation(map, base, 2 * MIB));
    CHECK(spdk_mem_map_translate(map, base + MIB, NULL) == NOTHING);
    CHECK_INT(-EINVAL, spdk_mem_map_set_translation(map, UINT64_C(1) << 50, 4096, 1));
    spdk_mem_map_free(&map);
}

/* What is registered is known without any map. */
static void without_maps(void)
{
    static char area[8192] __attribute__((aligned(4096)));
    char *block = spdk_malloc(4 * MIB, 4096, NULL, 0, SPDK_MALLOC_DMA);

    CHECK_INT(-EBUSY, spdk_mem_register(block, 4096));
    CHECK_INT(0, spdk_mem_register(area, 4096));
    CHECK_INT(-EBUSY, spdk_mem_register(area, 8192));
    CHECK_INT(0, spdk_mem_unregister(area, 4096));
    CHECK_INT(-EINVAL, spdk_mem_unregister(area, 4096));
    spdk_free(block);
}

int main(void)
{
    struct spdk_mem_map *maps[8];
    struct told told[8] = {0};
    int n = 0;

    without_maps();
    all_memory_is_told();
    own_memory_is_told();
    translations();
    while (n < 8 && (maps[n] = spdk_mem_map_alloc(NOTHING, &ops, &told[n])) != NULL)
        n++;
    CHECK_INT(6, n);
    while (n-- > 0) {
        spdk_mem_map_free(&maps[n]);
        CHECK_INT(0, told[n].n);
    }
    spdk_mem_map_free(&first.map);
    spdk_mem_map_free(&second.map);
    CHECK(first.n == 0 && second.n == 0);
    return 0;
}
