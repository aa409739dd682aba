/* SPDX-License-Identifier: BSD-2-Clause */
/* Each call of memkind_ext.h that makes or changes something and is refused says why, in one line under
 * MEMKIND_DEBUG=1, and nothing without it. */
#include "ext.h"
#include "output.h"

#define NO_KIND ((memkind_t)0x1000)
#define N_POOLS 1024

static char area[8192] __attribute__((aligned(4096)));
static struct memkind_pool *pool;
static struct memkind_region *region;
static struct memkind_map *map;
static struct memkind_stream *stream;
static memkind_t kind;

static int take(void *context, void *address, size_t size, void **handle)
{
    (void)address, (void)size, (void)handle;
    return context != NULL;
}

static struct memkind_map *made_map(void *context)
{
    CHECK_INT(0, memkind_map_create(take, NULL, 0, context, &map));
    return map;
}

static int pool_of_nothing(void)
{
    return memkind_pool_create(MEMKIND_DEFAULT, 0, 0, 0, &pool);
}

static int pool_alignment(void)
{
    return memkind_pool_create(MEMKIND_DEFAULT, 64, 48, 0, &pool);
}

static int pool_too_large(void)
{
    return memkind_pool_create(MEMKIND_DEFAULT, 64, 0, SIZE_MAX / 64, &pool);
}

static int pool_no_kind(void)
{
    return memkind_pool_create(NO_KIND, 64, 0, 0, &pool);
}

static int pool_nowhere(void)
{
    return memkind_pool_create(MEMKIND_DEFAULT, 64, 0, 0, NULL);
}

static int pool_one_more(void)
{
    for (int i = 0; i < N_POOLS; i++) {
        make_pool(MEMKIND_DEFAULT, 64, 0, 0);
    }
    return memkind_pool_create(MEMKIND_DEFAULT, 64, 0, 0, &pool);
}

static int pool_prepared(void)
{
    return memkind_pool_prepare(make_pool(MEMKIND_DEFAULT, 64, 0, 10), 11);
}

static int pool_destroyed_twice(void)
{
    CHECK_INT(0, memkind_pool_destroy(pool = make_pool(MEMKIND_DEFAULT, 64, 0, 0)));
    return memkind_pool_destroy(pool);
}

static int pool_in_use(void)
{
    pool = make_pool(MEMKIND_DEFAULT, 64, 0, 0);
    CHECK_INT(0, memkind_stream_create(pool, &stream));
    return memkind_pool_destroy(pool);
}

static int region_no_kind(void)
{
    return memkind_region_create(NULL, 0, 0, &region);
}

static int region_too_large(void)
{
    return memkind_region_create(MEMKIND_DEFAULT, SIZE_MAX / 2, 0, &region);
}

static int stream_no_pool(void)
{
    return memkind_stream_create(NULL, &stream);
}

static int stream_dead_pool(void)
{
    CHECK_INT(0, memkind_pool_destroy(pool = make_pool(MEMKIND_DEFAULT, 64, 0, 0)));
    return memkind_stream_create(pool, &stream);
}

static int map_without_function(void)
{
    return memkind_map_create(NULL, NULL, 0, NULL, &map);
}

static int map_part_of_a_page(void)
{
    return memkind_map_add(made_map(NULL), (void *)0x10000, 100);
}

static int map_known(void)
{
    CHECK_INT(0, memkind_map_add(made_map(NULL), (void *)0x10000, 8192));
    return memkind_map_add(map, (void *)0x11000, 4096);
}

static int map_refused(void)
{
    return memkind_map_add(made_map(area), (void *)0x10000, 4096);
}

static int map_unknown(void)
{
    return memkind_map_remove(made_map(NULL), (void *)0x10000, 4096);
}

static int map_of_no_kind(void)
{
    return memkind_map_attach(made_map(NULL), NULL);
}

static int map_of_ordinary_kind(void)
{
    return memkind_map_attach(made_map(NULL), MEMKIND_REGULAR);
}

static int map_attached_twice(void)
{
    CHECK_INT(0, memkind_dma_kind(0, 0, &kind));
    CHECK_INT(0, memkind_map_attach(made_map(NULL), kind));
    return memkind_map_attach(map, kind);
}

static int map_too_many(void)
{
    CHECK_INT(0, memkind_dma_kind(0, 0, &kind));
    for (int i = 0; i < 8; i++)
        CHECK_INT(0, memkind_map_attach(made_map(NULL), kind));
    return memkind_map_attach(made_map(NULL), kind);
}

static int map_not_attached(void)
{
    return memkind_map_detach(made_map(NULL), MEMKIND_REGULAR);
}

static int dma_destroyed(void)
{
    CHECK_INT(0, memkind_dma_kind(0, 0, &kind));
    return memkind_destroy_kind(kind);
}

static int dma_shared_destroyed(void)
{
    CHECK_INT(0, memkind_dma_kind(0, MEMKIND_OPTION_SHARED, &kind));
    return memkind_destroy_kind(kind);
}

static int dma_options(void)
{
    return memkind_dma_kind(0, MEMKIND_OPTION_LOCK, &kind);
}

static int nodes_beyond(void)
{
    return memkind_create_nodes("+1023", MEMKIND_NODES_BIND, &kind);
}

static int nodes_null(void)
{
    return memkind_create_nodes(NULL, MEMKIND_NODES_BIND, &kind);
}

static int config_null(void)
{
    return memkind_create_with_config(NULL, &kind);
}

static int pmem_null(void)
{
    return memkind_create_pmem(NULL, 0, &kind);
}

static int prepare_ordinary(void)
{
    return memkind_prepare(MEMKIND_REGULAR, 100);
}

static int prepare_no_kind(void)
{
    return memkind_prepare(NO_KIND, 100);
}

static int prepare_too_much(void)
{
    CHECK_INT(0, memkind_dma_kind(0, 0, &kind));
    return memkind_prepare(kind, SIZE_MAX / 2);
}

static int trim_no_kind(void)
{
    return memkind_trim(NULL);
}

static int checks_unknown(void)
{
    return memkind_set_checks(64);
}

static int checks_late(void)
{
    memkind_free(NULL, memkind_malloc(MEMKIND_DEFAULT, 1));
    return memkind_set_checks(MEMKIND_CHECK_FREE);
}

static int fork_unknown(void)
{
    return memkind_set_pmem_fork((memkind_pmem_fork_t)2);
}

static int order_unknown(void)
{
    return memkind_set_block_order((memkind_block_order_t)2);
}

static const struct {
    int (*call)(void);
    int code;
    const char *text;
} cases[] = {
    {pool_of_nothing, MEMKIND_ERROR_INVALID,
     "Cannot create pool: objects of 0 bytes at multiples of 16; it takes at least 1 byte and a power of two up to 2097152."},
    {pool_alignment, MEMKIND_ERROR_INVALID,
     "Cannot create pool: objects of 64 bytes at multiples of 48; it takes at least 1 byte and a power of two up to 2097152."},
    {pool_too_large, MEMKIND_ERROR_INVALID,
     "Cannot create pool: there are not so many addresses (288230376151711743 objects of 64 bytes)."},
    {pool_no_kind, MEMKIND_ERROR_INVALID, "Cannot create pool: its kind is NULL, was destroyed or never existed."},
    {pool_nowhere, MEMKIND_ERROR_INVALID, "Cannot create pool: an argument is NULL."},
    {pool_one_more, MEMKIND_ERROR_TOOMANY, "Cannot create pool: 1024 pools exist."},
    {pool_prepared, MEMKIND_ERROR_INVALID, "Cannot prepare pool: 11 objects are more than its limit of 10."},
    {pool_destroyed_twice, MEMKIND_ERROR_INVALID, "Cannot destroy pool: it was destroyed before."},
    {pool_in_use, MEMKIND_ERROR_OPERATION_FAILED,
     "Cannot destroy pool: streams of it exist, or vectors with its objects."},
    {region_no_kind, MEMKIND_ERROR_INVALID, "Cannot create region: its kind is NULL, was destroyed or never existed."},
    {region_too_large, MEMKIND_ERROR_INVALID,
     "Cannot create region: there are not so many addresses (chunks of 9223372036854775807 bytes)."},
    {stream_no_pool, MEMKIND_ERROR_INVALID, "Cannot create stream: an argument is NULL."},
    {stream_dead_pool, MEMKIND_ERROR_INVALID,
     "Cannot create stream: the pool was destroyed, or its objects have 4 GiB or more."},
    {map_without_function, MEMKIND_ERROR_INVALID, "Cannot create map: an argument is NULL."},
    {map_part_of_a_page, MEMKIND_ERROR_INVALID,
     "Cannot add 100 bytes at 0x10000 to map: a range is made of whole pages."},
    {map_known, MEMKIND_ERROR_INVALID, "Cannot add 4096 bytes at 0x11000 to map: it has some of them."},
    {map_refused, MEMKIND_ERROR_OPERATION_FAILED,
     "Cannot add 4096 bytes at 0x10000 to map: the function of the program refused."},
    {map_unknown, MEMKIND_ERROR_INVALID,
     "Cannot remove 4096 bytes at 0x10000 from map: no range of it was added so."},
    {map_of_no_kind, MEMKIND_ERROR_INVALID,
     "Cannot attach kind to map, or detach it: the map is NULL, or the kind is NULL, was destroyed or never existed."},
    {map_of_ordinary_kind, MEMKIND_ERROR_INVALID,
     "Cannot attach kind memkind_regular to map: it is neither pinned nor fixed."},
    {map_attached_twice, MEMKIND_ERROR_INVALID, "Cannot attach kind dma_node0 to map: it is attached."},
    {map_too_many, MEMKIND_ERROR_OPERATION_FAILED,
     "Cannot attach kind dma_node0 to map: the function of the program refused, or the kind has too many maps."},
    {map_not_attached, MEMKIND_ERROR_INVALID, "Cannot detach kind memkind_regular from map: it is not attached."},
    {dma_destroyed, MEMKIND_ERROR_INVALID,
     "Cannot destroy kind dma_node0: it is one of memkind_dma_kind(), which stay."},
    {dma_shared_destroyed, MEMKIND_ERROR_INVALID,
     "Cannot destroy kind dma_node0_shared: it is one of memkind_dma_kind(), which stay."},
    {dma_options, MEMKIND_ERROR_INVALID, NULL},
    {nodes_beyond, MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE, NULL},
    {prepare_ordinary, MEMKIND_ERROR_INVALID, "Cannot prepare memory of kind memkind_regular: it does not grow by slabs."},
    {prepare_no_kind, MEMKIND_ERROR_INVALID,
     "Cannot prepare memory: the kind is NULL, was destroyed or never existed."},
    {prepare_too_much, MEMKIND_ERROR_MALLOC,
     "Cannot prepare 9223372036854775807 bytes of kind dma_node0: it has less memory."},
    {trim_no_kind, MEMKIND_ERROR_INVALID, "Cannot trim kind: it is NULL, was destroyed or never existed."},
    {checks_unknown, MEMKIND_ERROR_INVALID, "Cannot set checks: 0x40 has unknown ones."},
    {checks_late, MEMKIND_ERROR_OPERATION_FAILED,
     "Cannot set checks: memory has been allocated before, or MEMKIND_CHECKS is set."},
    {fork_unknown, MEMKIND_ERROR_INVALID, "Cannot set what fork does: unknown mode 2."},
    {order_unknown, MEMKIND_ERROR_INVALID, "Cannot set the order of blocks: unknown order 2."},
    {nodes_null, MEMKIND_ERROR_INVALID, "Cannot create kind: an argument is NULL."},
    {config_null, MEMKIND_ERROR_INVALID, "Cannot create kind: an argument is NULL."},
    {pmem_null, MEMKIND_ERROR_INVALID, "Cannot create pmem: an argument is NULL."},
};

/* The line of a case, but for those with numbers of this machine or of a header. */
static const char *line_of(size_t number)
{
    static char line[256];

    if (cases[number].text) {
        snprintf(line, sizeof(line), "MEMKIND_ERROR: %s\n", cases[number].text);
    } else if (cases[number].call == dma_options) {
        snprintf(line, sizeof(line),
                 "MEMKIND_ERROR: Cannot create kind: options %#x; it takes MEMKIND_OPTION_SHARED alone.\n",
                 (unsigned)MEMKIND_OPTION_LOCK);
    } else {
        const char *begin = "MEMKIND_ERROR: Cannot create kind: nodes \"+1023\": after '+', 0 is the first of the nodes "
                            "that the process may use and ";
        snprintf(line, sizeof(line), "%s", begin);
    }
    return line;
}

/* The last line of a text. */
static const char *last_line(const char *text)
{
    const char *end = text + strlen(text);

    if (end > text) {
        end--;
    }
    while (end > text && end[-1] != '\n') {
        end--;
    }
    return end;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        const size_t number = (size_t)atoi(argv[1]);
        CHECK_INT(cases[number].code, cases[number].call());
        return 0;
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char number[16];

        snprintf(number, sizeof(number), "%zu", i);
        CHECK_OUTPUT(0, "", number, ENV("MEMKIND_DEBUG"));
        const struct output *output = output_of(number, ENV("MEMKIND_DEBUG=1"));
        const char *expected = line_of(i), *got = last_line(output->text);

        CHECK_INT(0, output->status);
        if (cases[i].call == nodes_beyond) {
            CHECK_INT(0, strncmp(expected, got, strlen(expected)));
            CHECK_NULL(strstr(got, "1024"));
        } else {
            CHECK_STR(expected, got);
        }
    }
    return 0;
}
