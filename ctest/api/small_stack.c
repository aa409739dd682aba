/* SPDX-License-Identifier: BSD-2-Clause */
/* The first use of a kind, and the making of one, fit on the smallest stack that a thread can have: what a
 * thread does here for the first time in the process is done with 16 KiB, or PTHREAD_STACK_MIN where that is more. */
#include "threads.h"

static const char *step;

static void use(memkind_t kind)
{
    for (size_t size = 1; size <= 4 * MIB; size *= 4) {
        char *block = memkind_malloc(kind, size);

        CHECK_NOT_NULL(block);
        block[size - 1] = 1;
        memkind_free(NULL, block);
    }
}

static void *on_small_stack(void *unused)
{
    memkind_t kind = NULL;

    if (strcmp(step, "default") == 0) {
        use(MEMKIND_DEFAULT);
    } else if (strcmp(step, "regular") == 0) {
        use(MEMKIND_REGULAR);
    } else if (strcmp(step, "available") == 0) {
        CHECK_INT(0, memkind_check_available(MEMKIND_REGULAR));
    } else if (strcmp(step, "refused") == 0) {
        /* Everything is asked before an answer of no. */
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(MEMKIND_REGULAR, (size_t)1 << 45));
    } else {
        CHECK_INT(0, memkind_create_pmem(test_dir(), 64 * MIB, &kind));
        use(kind);
        CHECK_INT(0, memkind_destroy_kind(kind));
    }
    return unused;
}

int main(int argc, char **argv)
{
    static const char *const steps[] = {"default", "regular", "available", "refused", "pmem"};
    pthread_attr_t attributes;
    pthread_t thread;

    if (argc == 1) {
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
            if (run_again(steps[i], (const char *const[]){NULL}) != 0) {
                fprintf(stderr, "%s: does not fit\n", steps[i]);
                return 1;
            }
        }
        return 0;
    }
    step = argv[1];
    CHECK_INT(0, pthread_attr_init(&attributes));
    set_stack(&attributes, 16 * KIB);
    CHECK_INT(0, pthread_create(&thread, &attributes, on_small_stack, NULL));
    CHECK_INT(0, pthread_join(thread, NULL));
    return 0;
}
