/* SPDX-License-Identifier: BSD-2-Clause */
/* Ten full kinds: free(NULL, block) makes room for one more block of its class in its own kind, and in
 * none of the others. "Full" is a stable state. */
#include "check.h"

#define N_KINDS 10
#define SIZE 512

int main(void)
{
    memkind_t kinds[N_KINDS];
    void *last[N_KINDS];

    for (int i = 0; i < N_KINDS; i++) {
        kinds[i] = make_pmem(test_dir(), MEMKIND_PMEM_MIN_SIZE);
        last[i] = NULL;
        for (void *block; (block = memkind_malloc(kinds[i], SIZE)) != NULL;) {
            last[i] = block;
        }
        CHECK_NOT_NULL(last[i]);
    }
    for (int i = 0; i < N_KINDS; i++) {
        for (int j = 0; j < N_KINDS; j++) {
            CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kinds[j], SIZE));
        }
        memkind_free(NULL, last[i]);
        for (int j = 0; j < N_KINDS; j++) {
            if (j != i) {
                CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kinds[j], SIZE));
            }
        }
        void *block = memkind_malloc(kinds[i], SIZE);
        CHECK_NOT_NULL(block);
        CHECK_PTR(kinds[i], memkind_detect_kind(block));
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kinds[i], SIZE));
    }
    for (int i = 0; i < N_KINDS; i++) {
        CHECK_INT(0, memkind_destroy_kind(kinds[i]));
    }
    return 0;
}
