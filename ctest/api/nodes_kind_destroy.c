/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_destroy_kind of a kind on named nodes gives everything back: its mappings, what was promised to
 * it of the nodes, and its number, however often. */
#include "nodes.h"
#include "process.h"

#define ROUNDS 2000
#define BLOCK (8 * MIB)

/* Blocks of all sizes; all but one byte of the large one stay untouched. */
static void round_of(unsigned i)
{
    static const int policies[] = {BIND, PREFERRED, INTERLEAVE};
    memkind_t kind = NULL;

    CHECK_INT(0, create_nodes("all", policies[i % 3], &kind));
    for (size_t size = 16; size <= 256 * KIB; size *= 4) {
        char *block = memkind_malloc(kind, size);
        CHECK_NOT_NULL(block);
        fill(block, size, i);
        if (size > 4 * KIB) {
            memkind_free(kind, block);
        }
    }
    char *large = memkind_malloc(kind, BLOCK);
    CHECK_NOT_NULL(large);
    large[BLOCK / 2] = 1;
    CHECK_INT(0, memkind_destroy_kind(kind));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_check_available(kind));
}

/* Half of what the machine has, untouched: more than twice cannot be promised at a time. */
static void promise_half(size_t half)
{
    memkind_t kind = NULL;

    CHECK_INT(0, create_nodes("all", BIND, &kind));
    for (size_t size = 0; size + BLOCK <= half; size += BLOCK) {
        CHECK_NOT_NULL(memkind_malloc(kind, BLOCK));
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    need_create_nodes();
    for (unsigned i = 0; i < 30; i++) {
        round_of(i);
    }
    const size_t mapped = address_space(), resident = resident_memory();
    for (unsigned i = 0; i < ROUNDS; i++) {
        round_of(i);
    }
    /* Far less than one large block for each round. */
    CHECK(address_space() < mapped + 64 * MIB);
    CHECK(resident_memory() < resident + 32 * MIB);

    memkind_t kind = NULL;
    CHECK_INT(0, create_nodes("all", BIND, &kind));
    size_t room = 0;
    while (room < 4096 && memkind_malloc(kind, 64 * BLOCK) != NULL) {
        room++;
    }
    CHECK(room > 0);
    CHECK_INT(0, memkind_destroy_kind(kind));
    for (unsigned i = 0; i < 5; i++) {
        promise_half(room * 64 * BLOCK / 2);
    }
    return 0;
}
