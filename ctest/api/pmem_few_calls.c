/* SPDX-License-Identifier: BSD-2-Clause */
/* A file-backed kind asks the file system for much at a time: when it grows, and when it is filled again
 * after its pages have gone back. The calls of a child are counted by ptrace. */
#include "calls.h"
#include "pmem.h"

enum { SMALL = 512, ROUNDS = 5, MEDIUM = 32768, MEDIUM_BLOCKS = 8000 };

static void refill(void)
{
    memkind_t kind = make_pmem(test_dir(), 64 * MIB + 4 * KIB);
    const size_t most = 64 * MIB / SMALL / 10 * 8;

    for (int round = 0; round < ROUNDS; round++) {
        void *last = NULL;
        void *block;
        size_t count = 0;
        while (count < most && (block = memkind_malloc(kind, SMALL)) != NULL) {
            memcpy(block, &last, sizeof(last));
            last = block;
            count++;
        }
        CHECK(count > most / 2);
        release_all(kind, &last);
    }
}

/* What is freed in any order is in many pieces: they do not go back one by one. */
static void grow(void)
{
    static char *blocks[MEDIUM_BLOCKS];
    memkind_t kind = make_pmem(test_dir(), 0);

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MEDIUM_BLOCKS; i++) {
            blocks[i] = memkind_malloc(kind, MEDIUM);
            CHECK_NOT_NULL(blocks[i]);
            *blocks[i] = 1;
        }
        for (int i = 0; i < MEDIUM_BLOCKS; i++) {
            memkind_free(kind, blocks[(i * 7919) % MEDIUM_BLOCKS]);
        }
    }
}

int main(void)
{
    const long refilling = calls_of(refill).number, growing = calls_of(grow).number;

    printf("%ld calls to refill, %ld to grow\n", refilling, growing);
    CHECK(refilling > 10 && refilling < 600);
    CHECK(growing > 10 && growing < 1500);
    return 0;
}
