/* SPDX-License-Identifier: BSD-2-Clause */
/* JEMK_MALLOC_CONF has settings for the jemalloc inside, as in the original; they cannot take away what
 * the library needs: blocks keep what was written to them under every setting that could change their sizes. Other programs' variables, MALLOC_CONF and _RJEM_MALLOC_CONF, are not ours. */
#include "output.h"

#include <stdint.h>

#define BAD "no_such_setting:1,prof:true"

/* Blocks of up to 1.5 MB are made, resized and freed; each has its own number in its first and last byte. */
static void resize_blocks(void)
{
    enum { BLOCKS = 40 };
    static unsigned char *blocks[BLOCKS];
    static size_t sizes[BLOCKS];
    uint64_t random = 7;

    for (int step = 0; step < 6000; step++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        const size_t size = 1 + (random >> 20) % 1500000;
        const int i = (int)(random % BLOCKS);
        unsigned char *block = blocks[i];

        if (block != NULL) {
            CHECK_INT(i, block[0]);
            CHECK_INT(i, block[sizes[i] - 1]);
        }
        block = memkind_realloc(MEMKIND_REGULAR, block, size);
        CHECK_NOT_NULL(block);
        CHECK(memkind_malloc_usable_size(MEMKIND_REGULAR, block) >= size);
        if (blocks[i] != NULL) {
            CHECK_INT(i, block[0]);
            CHECK(size < sizes[i] || block[sizes[i] - 1] == i);
        }
        memset(block, i, size);
        blocks[i] = block;
        sizes[i] = size;
        if (random >> 60 & 1) {
            memkind_free(MEMKIND_REGULAR, block);
            blocks[i] = NULL;
        }
    }
}

int main(int argc, char *argv[])
{
    if (argc > 1 && strcmp(argv[1], "resize") == 0) {
        resize_blocks();
        return 0;
    }
    if (argc > 1) {
        void *block = memkind_malloc(MEMKIND_DEFAULT, 100);
        CHECK_NOT_NULL(block);
        memkind_free(MEMKIND_DEFAULT, block);
        memkind_t kind;
        CHECK_INT(0, memkind_create_pmem(test_dir(), 32 * MIB, &kind));
        block = memkind_malloc(kind, MIB);
        CHECK_NOT_NULL(block);
        CHECK_INT(0, memkind_destroy_kind(kind));
        return 0;
    }
    CHECK_OUTPUT(0, "", "use", ENV("_RJEM_MALLOC_CONF=" BAD, "MALLOC_CONF=" BAD));
    CHECK_OUTPUT(0, "", "use", ENV("JEMK_MALLOC_CONF="));
    CHECK_OUTPUT(0, "", "use", ENV("JEMK_MALLOC_CONF=dirty_decay_ms:0"));
    const struct output *output = output_of("use", ENV("JEMK_MALLOC_CONF=no_such_setting:1"));
    CHECK_INT(0, output->status);
    CHECK(strstr(output->text, "no_such_setting:1") != NULL);
    if (!original()) {
        CHECK_OUTPUT(0, "", "use", ENV("JEMK_MALLOC_CONF=narenas:4094,tcache:true"));
        CHECK_OUTPUT(0, "", "resize", ENV("JEMK_MALLOC_CONF=disable_large_size_classes:true"));
        CHECK_OUTPUT(0, "", "resize", ENV("JEMK_MALLOC_CONF=cache_oblivious:false,retain:false,oversize_threshold:1"));
    }
    return 0;
}
