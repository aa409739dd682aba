/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that uses several kinds and a second thread, under a hook.
 * usage: hooked DIRECTORY */
#include <memkind.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static int failed;

static void use(memkind_t kind, const char *name) {
    static const size_t sizes[] = {1, 100, 5000, 70000, 3 << 20};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *block = memkind_malloc(kind, sizes[i]);
        if (!block || memkind_malloc_usable_size(kind, block) < sizes[i]) {
            fprintf(stderr, "%s: no block of %zu bytes\n", name, sizes[i]);
            failed = 1;
            return;
        }
        memset(block, 1, sizes[i]);
        block = memkind_realloc(kind, block, sizes[i] * 2);
        if (!block || memkind_detect_kind(block) != kind) {
            fprintf(stderr, "%s: lost a block of %zu bytes\n", name, sizes[i]);
            failed = 1;
            return;
        }
        memkind_free(NULL, block);
    }
}

static void *thread(void *file) {
    use(MEMKIND_DEFAULT, "default");
    if (!memkind_check_available(MEMKIND_REGULAR))
        use(MEMKIND_REGULAR, "regular");
    if (!memkind_check_available(MEMKIND_HIGHEST_CAPACITY_LOCAL))
        use(MEMKIND_HIGHEST_CAPACITY_LOCAL, "local");
    use(file, "file");
    return NULL;
}

int main(int argc, char **argv) {
    memkind_t file;
    pthread_t other;
    int code;
    if (argc != 2)
        return 1;
    code = memkind_create_pmem(argv[1], 0, &file);
    if (code) {
        fprintf(stderr, "memkind_create_pmem: %d\n", code);
        return 1;
    }
    thread(file);
    if (pthread_create(&other, NULL, thread, file) || pthread_join(other, NULL))
        return 1;
    if (memkind_destroy_kind(file))
        return 1;
    return failed;
}
