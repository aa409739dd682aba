/* SPDX-License-Identifier: BSD-2-Clause */
/* A region against a list of its blocks: contents stay, alignment holds, marks nest, and going back frees
 * exactly what is newer. Blocks of all sizes, with chunks of their own too. */
#include "ext.h"

enum { MOST = 4000, STEPS = 60000 };

static struct {
    unsigned char *block;
    size_t size;
    unsigned seed;
} blocks[MOST];
static struct {
    void *mark;
    unsigned n_blocks;
} marks[MOST];

static void check_newest(unsigned n, unsigned how_many)
{
    for (unsigned i = n - (n < how_many ? n : how_many); i < n; i++) {
        CHECK(holds(blocks[i].block, blocks[i].size, blocks[i].seed));
    }
}

static void check_apart(unsigned n)
{
    /* No two of the newest lie on each other. */
    const unsigned char *new = blocks[n - 1].block;
    for (unsigned i = n > 200 ? n - 200 : 0; i + 1 < n; i++) {
        CHECK(new + blocks[n - 1].size <= blocks[i].block || blocks[i].block + blocks[i].size <= new);
    }
}

static void model(memkind_t kind)
{
    struct memkind_region *region = make_region(kind, 4096, 0);
    unsigned n_blocks = 0, n_marks = 0, state = 1;

    for (unsigned step = 0; step < STEPS; step++) {
        const unsigned what = next_random(&state) % 100;

        if (what < 80 && n_blocks < MOST) {
            size_t alignment = 16;
            size_t size = next_random(&state) % 300 + 1;
            if (what == 0) {
                size = next_random(&state) % 30000 + 1;
            }
            if (what < 10) {
                alignment = (size_t)1 << next_random(&state) % 14;
                blocks[n_blocks].block = memkind_region_memalign(region, alignment, size);
                alignment = alignment < 16 ? 16 : alignment;
            } else {
                blocks[n_blocks].block = memkind_region_alloc(region, size);
            }
            CHECK_NOT_NULL(blocks[n_blocks].block);
            CHECK(aligned(blocks[n_blocks].block, alignment));
            blocks[n_blocks].size = size;
            blocks[n_blocks].seed = step;
            fill(blocks[n_blocks].block, size, step);
            n_blocks++;
            check_apart(n_blocks);
        } else if (what < 90 && n_marks < MOST) {
            marks[n_marks].mark = memkind_region_mark(region);
            CHECK_NOT_NULL(marks[n_marks].mark);
            marks[n_marks++].n_blocks = n_blocks;
        } else if (what < 98 && n_marks > 0) {
            /* Mostly the newest mark; now and then one far down. */
            const unsigned to = what < 97 ? n_marks - 1 : next_random(&state) % n_marks;
            CHECK_INT(0, memkind_region_rewind(region, marks[to].mark));
            CHECK_PTR(marks[to].mark, memkind_region_mark(region));
            n_blocks = marks[to].n_blocks;
            n_marks = to;
            check_newest(n_blocks, 300);
        } else if (what == 98 && n_blocks > 0) {
            /* To a block: it goes, and what is newer. */
            const unsigned to = n_blocks - 1 - next_random(&state) % (n_blocks < 30 ? n_blocks : 30);
            CHECK_INT(0, memkind_region_rewind(region, blocks[to].block));
            n_blocks = to;
            while (n_marks > 0 && marks[n_marks - 1].n_blocks > n_blocks) {
                n_marks--;
            }
            check_newest(n_blocks, 300);
        } else if (step % 5000 == 0) {
            CHECK_INT(0, memkind_region_reset(region));
            CHECK_INT(0, region_usage(region).in_use);
            n_blocks = n_marks = 0;
        }
    }
    check_newest(n_blocks, n_blocks);
    memkind_region_destroy(region);
}

int main(int argc, char *argv[])
{
    (void)argv;
    return every_kind(argc, model);
}
