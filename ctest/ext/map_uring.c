/* SPDX-License-Identifier: BSD-2-Clause */
/* A device that is real: blocks of a pinned kind are read and written by io_uring as parts of fixed buffers, which a map
 * registers while the kind grows. What arrives is what was sent, in every block, however often it was freed before.
 * compile: -Iexamples
 */
#include "kind.h"
#include "uring.h"

enum { ROUNDS = 10000, BLOCKS = 400, LARGEST = 64 * 1024, BUFFERS = 256 };

static struct ring ring;
static char is_used[BUFFERS];
static unsigned n_registered, n_growths;

static int add(void *context, void *address, size_t size, void **handle)
{
    unsigned index = 0;

    CHECK_PTR(&ring, context);
    while (index < BUFFERS && is_used[index])
        index++;
    CHECK(index < BUFFERS);
    if (ring_set_buffer(&ring, index, address, size) != 0) {
        if (errno == ENOMEM && geteuid() != 0)
            SKIP("the kernel does not let this user register as much memory");
        FAIL("%zu bytes cannot be registered: %s", size, strerror(errno));
    }
    is_used[index] = 1;
    n_registered++;
    n_growths++;
    *handle = (void *)(uintptr_t)(index + 1);
    return 0;
}

static void forget(void *context, void *address, size_t size, void *handle)
{
    const unsigned index = (unsigned)(uintptr_t)handle - 1;

    (void)context, (void)address, (void)size;
    CHECK(index < BUFFERS && is_used[index]);
    CHECK_INT(0, ring_set_buffer(&ring, index, NULL, 0));
    is_used[index] = 0;
    n_registered--;
}

static void transfer(struct memkind_map *map, unsigned char operation, int file, char *block, size_t size, uint64_t offset)
{
    struct memkind_range range;
    uint64_t mark;

    CHECK_INT(0, memkind_map_find(map, block, &range));
    CHECK((char *)range.address <= block && block + size <= (char *)range.address + range.size);
    ring_queue(&ring, operation, file, block, size, offset, (unsigned)(uintptr_t)range.handle - 1, 7);
    CHECK_INT(size, ring_wait(&ring, &mark));
    CHECK_INT(7, mark);
}

int main(void)
{
    static char *blocks[BLOCKS];
    static size_t sizes[BLOCKS];
    struct memkind_map *map;
    memkind_t kind;
    unsigned chance = 1, first_growths;
    int file;

    if (ring_open(&ring, 8) != 0 || ring_make_room(&ring, BUFFERS) != 0)
        SKIP("no io_uring with fixed buffers: %s", strerror(errno));
    file = memfd_create("blocks", 0);
    CHECK(file >= 0);
    kind = make_wanted((struct wanted){.options = MEMKIND_OPTION_PIN | MEMKIND_OPTION_NO_FORK, .slab_size = 2 * MIB});
    CHECK_INT(0, memkind_map_create(add, forget, 0, &ring, &map));
    CHECK_INT(0, memkind_map_attach(map, kind));
    CHECK_NOT_NULL(memkind_malloc(kind, 10));
    first_growths = n_growths;

    /* More blocks are in use the longer it goes on. */
    for (unsigned round = 0; round < ROUNDS; round++) {
        const unsigned from = next_random(&chance) % (1 + round * (BLOCKS - 1) / ROUNDS);
        const unsigned to = next_random(&chance) % (1 + round * (BLOCKS - 1) / ROUNDS);
        const uint64_t offset = next_random(&chance) % 100000;
        size_t size;

        for (int i = 0; i < 2; i++) {
            const unsigned n = i == 0 ? from : to;

            if (blocks[n] == NULL || next_random(&chance) % 2) {
                memkind_free(kind, blocks[n]);
                sizes[n] = next_random(&chance) % LARGEST + 1;
                blocks[n] = memkind_malloc(kind, sizes[n]);
                CHECK_NOT_NULL(blocks[n]);
            }
        }
        size = sizes[from] < sizes[to] ? sizes[from] : sizes[to];
        fill(blocks[from], size, round);
        transfer(map, IORING_OP_WRITE_FIXED, file, blocks[from], size, offset);
        if (from != to)
            memset(blocks[to], 0, size);
        transfer(map, IORING_OP_READ_FIXED, file, blocks[to], size, offset);
        CHECK(holds(blocks[to], size, round));
    }
    CHECK(n_growths >= first_growths + 4);
    CHECK_INT(usage_of(kind).n_ranges, n_registered);
    CHECK_INT(0, memkind_destroy_kind(kind));
    CHECK_INT(0, n_registered);
    memkind_map_destroy(map);
    return 0;
}
