/* SPDX-License-Identifier: BSD-2-Clause */
/* A correct program whose threads allocate; the first starts jemalloc. `threads small`: on small stacks. */
#include "../api/check.h"

#include <pthread.h>

static void *allocate(void *nothing)
{
    (void)nothing;
    for (int i = 0; i < 100; i++) {
        char *block = memkind_malloc(MEMKIND_DEFAULT, 1000);

        CHECK_NOT_NULL(block);
        memset(block, 1, 1000);
        memkind_free(NULL, block);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const bool is_small = argc > 1 && strcmp(argv[1], "small") == 0;
    pthread_t threads[4];
    pthread_attr_t small;

    CHECK_INT(0, pthread_attr_init(&small));
    CHECK_INT(0, pthread_attr_setstacksize(&small, 32768));
    for (int i = 0; i < 4; i++) {
        CHECK_INT(0, pthread_create(&threads[i], is_small ? &small : NULL, allocate, NULL));
    }
    for (int i = 0; i < 4; i++) {
        CHECK_INT(0, pthread_join(threads[i], NULL));
    }
    return 0;
}
