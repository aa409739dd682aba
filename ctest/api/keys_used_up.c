/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that has taken all keys for thread-specific data before it allocates gets memory of every size, also in
 * a thread that comes later. */
#include "threads.h"

static void *blocks_of_all_sizes(void *unused)
{
    static const size_t sizes[] = {100, 5000, 300000, 10 * MIB};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *block = memkind_malloc(MEMKIND_DEFAULT, sizes[i]);

        CHECK_NOT_NULL(block);
        memset(block, 1, sizes[i]);
        memkind_free(MEMKIND_DEFAULT, block);
    }
    return unused;
}

int main(void)
{
    pthread_key_t key;
    pthread_t thread;

    while (pthread_key_create(&key, NULL) == 0) {
    }
    blocks_of_all_sizes(NULL);
    CHECK_INT(0, pthread_create(&thread, NULL, blocks_of_all_sizes, NULL));
    CHECK_INT(0, pthread_join(thread, NULL));
    return 0;
}
