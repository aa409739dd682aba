/* SPDX-License-Identifier: BSD-2-Clause */
/* What pools of TBB give back goes back to the system with its addresses: a program that takes and frees
 * 32 MiB again and again, also in threads that end, has no more of either than after a few times, and an address
 * that is gone belongs to no kind. */
#include "process.h"
#include "tbb.h"
#include "threads.h"

#define SIZE (32 * MIB)
#define N_ROUNDS 30

static void *take_and_free(void *unused)
{
    char *const block = memkind_malloc(MEMKIND_REGULAR, SIZE);

    CHECK_NOT_NULL(block);
    for (size_t i = 0; i < SIZE; i += 4096) {
        block[i] = 1;
    }
    for (size_t i = 1; i < 5000; i += 7) {
        void *const small = memkind_malloc(MEMKIND_REGULAR, i);
        CHECK_NOT_NULL(small);
        memkind_free(MEMKIND_REGULAR, small);
    }
    memkind_free(MEMKIND_REGULAR, block);
    return unused;
}

static int use(void)
{
    size_t space = 0, memory = 0;

    skip_first_block(MEMKIND_REGULAR);
    for (int round = 0; round < N_ROUNDS; round++) {
        take_and_free(NULL);
        in_thread(take_and_free, NULL);
        if (round == 5) {
            space = address_space();
            memory = resident_memory();
        }
    }
    CHECK(address_space() <= space + SIZE);
    CHECK(resident_memory() <= memory + SIZE / 2);
    /* As large a one is not kept. */
    char *const block = memkind_malloc(MEMKIND_REGULAR, 4 * SIZE);
    CHECK_NOT_NULL(block);
    memory = resident_memory();
    for (size_t i = 0; i < 4 * SIZE; i += 4096) {
        block[i] = 1;
    }
    CHECK(resident_memory() >= memory + 3 * SIZE);
    memkind_free(MEMKIND_REGULAR, block);
    CHECK(resident_memory() < memory + SIZE);
    if (!original()) {
        CHECK_NULL(memkind_detect_kind(block));
    }
    return 0;
}

int main(int argc, char **argv)
{
    (void)argv;
    return use_on_tbb(argc, use);
}
