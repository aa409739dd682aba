/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations on blocks, kinds, pools and regions, against a table of what is alive. */
#include "fuzz.h"

#include <sys/mman.h>

enum { N_BLOCKS = 24, N_KINDS = 8, N_OBJECTS = 8 };
static const size_t LIMIT = 32 * MIB;

static struct block {
    char *address;
    size_t size;
    unsigned seed, kind;
} blocks[N_BLOCKS];

static struct {
    memkind_t kind;
    bool limited;
} kinds[N_KINDS];

static char *area;
static struct memkind_pool *pool;
static char *objects[N_OBJECTS];
static struct memkind_region *region;

static void mark(struct block *block)
{
    const size_t ends = block->size < 64 ? block->size : 64;

    fill(block->address, ends, block->seed);
    block->address[block->size - 1] = (char)block->seed;
}

static void check_block(const struct block *block)
{
    const size_t ends = block->size < 64 ? block->size : 64;

    CHECK(block->size <= 64 ? holds(block->address, ends - 1, block->seed) : holds(block->address, ends, block->seed));
    CHECK_INT((char)block->seed, block->address[block->size - 1]);
}

/* A size that may be granted, mostly small. */
static size_t some_size(struct input *input)
{
    const unsigned sort = byte_of(input);

    if (sort < 180) {
        return sort * 9 + 1;
    }
    return sort < 250 ? (size_t)(sort - 179) * 60000 : number_of(input);
}

static struct memkind_config *settings(unsigned options)
{
    struct memkind_config *config = memkind_config_new();

    CHECK_NOT_NULL(config);
    memkind_config_set_size(config, LIMIT);
    memkind_config_set_options(config, options);
    return config;
}

static void make_kind(unsigned index)
{
    memkind_t *kind = &kinds[index].kind;
    struct memkind_config *config = NULL;

    kinds[index].limited = index > 2;
    switch (index) {
    case 0:
        *kind = MEMKIND_DEFAULT;
        break;
    case 1:
        *kind = MEMKIND_REGULAR;
        break;
    case 2:
        CHECK_INT(0, memkind_create_nodes("0", MEMKIND_NODES_BIND, kind));
        break;
    case 3:
        CHECK_INT(0, memkind_create_pmem(test_dir(), LIMIT, kind));
        break;
    case 4:
        CHECK_INT(0, memkind_create_fixed(area, LIMIT, kind));
        break;
    case 5:
        config = settings(MEMKIND_OPTION_PIN);
        memkind_config_set_slab_size(config, 2 * MIB);
        break;
    case 6:
        config = settings(MEMKIND_OPTION_WIPE);
        memkind_config_set_alignment(config, 256);
        break;
    default:
        config = settings(MEMKIND_OPTION_SHARED);
        memkind_config_set_fallback(config, kinds[1].kind);
    }
    if (config != NULL) {
        CHECK_INT(0, memkind_create_with_config(config, kind));
        memkind_config_delete(config);
    }
}

static void forget_kind(unsigned index)
{
    if (index < 2) {
        return;
    }
    for (size_t i = 0; i < N_BLOCKS; i++) {
        if (blocks[i].address != NULL && blocks[i].kind == index) {
            check_block(&blocks[i]);
            /* What the fallback has given is not the kind's. */
            if (memkind_detect_kind(blocks[i].address) != kinds[index].kind) {
                memkind_free(NULL, blocks[i].address);
            }
            blocks[i].address = NULL;
        }
    }
    CHECK_INT(0, memkind_destroy_kind(kinds[index].kind));
}

static void allocate(struct input *input, struct block *block)
{
    const unsigned how = byte_of(input);
    void *address = NULL;

    block->kind = how % N_KINDS;
    block->size = some_size(input);
    const memkind_t kind = kinds[block->kind].kind;
    errno = 0;
    switch (how / N_KINDS % 4) {
    case 0:
        address = memkind_malloc(kind, block->size);
        break;
    case 1: {
        const size_t count = byte_of(input) % 8 + 1;
        address = memkind_calloc(kind, count, block->size);
        CHECK(address == NULL || all_zero(address, block->size < MIB ? block->size : MIB));
        break;
    }
    default: {
        const size_t alignment = number_of(input);
        const int code = memkind_posix_memalign(kind, &address, alignment, block->size);
        if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) {
            CHECK_INT(EINVAL, code);
            return;
        }
        CHECK(code == 0 || code == ENOMEM);
        CHECK(code != 0 || aligned(address, alignment));
        errno = code;
    }
    }
    if (address == NULL) {
        CHECK(errno == ENOMEM || block->size == 0);
        CHECK(kinds[block->kind].limited || block->size > 8 * MIB || errno == ENOMEM);
        return;
    }
    if (block->size == 0) {
        memkind_free(NULL, address);
        return;
    }
    CHECK(memkind_malloc_usable_size(kind, address) >= block->size);
    block->address = address;
    mark(block);
}

static void resize(struct input *input, struct block *block)
{
    const size_t size = some_size(input), before = block->size;
    char *moved;

    if (size == 0) {
        return;
    }
    moved = memkind_realloc(kinds[block->kind].kind, block->address, size);
    if (moved == NULL) {
        CHECK_INT(ENOMEM, errno);
        return;
    }
    const size_t kept = size < before ? size : before;
    CHECK(holds(moved, kept <= 64 ? kept - 1 : 64, block->seed));
    block->address = moved;
    block->size = size;
    mark(block);
}

static void work_on(struct input *input, struct block *block)
{
    const unsigned what = byte_of(input);
    void *moved;

    if (block->address == NULL) {
        allocate(input, block);
        return;
    }
    check_block(block);
    const memkind_t kind = kinds[block->kind].kind;
    switch (what % 8) {
    case 0:
        resize(input, block);
        break;
    case 1:
        moved = memkind_defrag_reallocate(kind, block->address);
        block->address = moved != NULL ? moved : block->address;
        check_block(block);
        break;
    case 2:
        /* Another kind than the block's, and inside of the block. */
        CHECK_PTR(memkind_detect_kind(block->address), memkind_detect_kind(block->address + block->size / 2));
        break;
    default:
        memkind_free(what % 2 ? kind : NULL, block->address);
        block->address = NULL;
    }
}

static void work_on_pool(struct input *input)
{
    const unsigned what = byte_of(input);
    char **object = &objects[what % N_OBJECTS];

    if (pool == NULL) {
        CHECK_INT(0, memkind_pool_create(kinds[1].kind, what * 30 + 1, 0, what, &pool));
    } else if (*object != NULL) {
        CHECK_INT(what % N_OBJECTS, **object);
        memkind_pool_put(pool, *object);
        *object = NULL;
    } else if ((*object = memkind_pool_get(pool)) != NULL) {
        **object = (char)(what % N_OBJECTS);
    } else {
        CHECK_INT(ENOMEM, errno);
    }
    if (what == 255) {
        CHECK_INT(0, memkind_pool_destroy(pool));
        memset(objects, 0, sizeof(objects));
        pool = NULL;
    }
}

static void work_on_region(struct input *input)
{
    const size_t size = some_size(input);
    char *block;

    if (region == NULL) {
        CHECK_INT(0, memkind_region_create(kinds[1].kind, size % MIB, 16 * MIB, &region));
    }
    block = memkind_region_alloc(region, size);
    if (block == NULL) {
        CHECK(size == 0 || errno == ENOMEM);
        CHECK_INT(0, size % 3 == 0 ? memkind_region_reset(region) : 0);
        return;
    }
    memset(block, 1, size < 4096 ? size : 4096);
    if (size % 5 == 0) {
        CHECK_INT(0, memkind_region_rewind(region, block));
    }
    if (size % 7 == 0) {
        memkind_region_destroy(region);
        region = NULL;
    }
}

void fuzz_operations(struct input *input)
{
    if (area == NULL) {
        area = map_area(LIMIT);
    }
    for (unsigned i = 0; i < N_KINDS; i++) {
        make_kind(i);
    }
    for (unsigned step = 0; input->left > 0; step++) {
        const unsigned what = byte_of(input);

        if (what < 232) {
            blocks[what % N_BLOCKS].seed = step;
            if (blocks[what % N_BLOCKS].address != NULL) {
                mark(&blocks[what % N_BLOCKS]);
            }
            work_on(input, &blocks[what % N_BLOCKS]);
        } else if (what < 240) {
            work_on_pool(input);
        } else if (what < 248) {
            work_on_region(input);
        } else if (what < 252) {
            CHECK_INT(0, memkind_trim(kinds[byte_of(input) % N_KINDS].kind));
        } else {
            const unsigned index = byte_of(input) % N_KINDS;

            if (index >= 2) {
                forget_kind(index);
                make_kind(index);
            }
        }
    }
    memkind_pool_destroy(pool);
    pool = NULL;
    memset(objects, 0, sizeof(objects));
    memkind_region_destroy(region);
    region = NULL;
    for (unsigned i = N_KINDS; i-- > 2;) {
        forget_kind(i);
    }
    for (size_t i = 0; i < N_BLOCKS; i++) {
        if (blocks[i].address != NULL) {
            check_block(&blocks[i]);
            memkind_free(NULL, blocks[i].address);
            blocks[i].address = NULL;
        }
    }
}
