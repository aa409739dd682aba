/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens the library the ways its clients do, finds each name in exports.txt, uses the library, closes
 * it, and does it again: closing must be harmless while blocks and threads that used it live on.
 *
 * usage: load LIBRARY exports.txt */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *library;

static void *find(const char *name)
{
    void *symbol = dlsym(library, name);
    if (symbol == NULL) {
        fprintf(stderr, "dlsym %s: %s\n", name, dlerror());
        exit(1);
    }
    return symbol;
}

typedef void *(*malloc_fn)(void *, size_t);
typedef void (*free_fn)(void *, void *);

static void *use(void *unused)
{
    static const char *const kinds[] = {"MEMKIND_DEFAULT", "MEMKIND_REGULAR"};
    const malloc_fn allocate = (malloc_fn)find("memkind_malloc");
    const free_fn release = (free_fn)find("memkind_free");

    (void)unused;
    for (size_t i = 0; i < 2; i++) {
        void *kind = *(void **)find(kinds[i]);
        char *block = allocate(kind, 4194305);
        if (block == NULL) {
            fprintf(stderr, "memkind_malloc(%s) gave NULL\n", kinds[i]);
            exit(1);
        }
        memset(block, 1, 4194305);
        release(kind, block);
        release(NULL, allocate(kind, 64));
    }
    return NULL;
}

static void *wait_and_end(void *gate)
{
    use(NULL);
    pthread_barrier_wait(gate);
    /* Here the library is closed. */
    pthread_barrier_wait(gate);
    return NULL;
}

int main(int argc, char **argv)
{
    char line[256], name[128];
    pthread_barrier_t gate;
    pthread_t thread;

    if (argc != 3) {
        return 2;
    }
    for (int i = 0; i < 4; i++) {
        library = dlopen(argv[1], i % 2 == 0 ? RTLD_LAZY : RTLD_NOW);
        if (library == NULL) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        FILE *exports = fopen(argv[2], "r");
        size_t found = 0;
        while (exports != NULL && fgets(line, sizeof(line), exports) != NULL) {
            if (sscanf(line, "FUNC %127s", name) == 1 || sscanf(line, "OBJECT %127s", name) == 1) {
                find(name);
                found++;
            }
        }
        if (exports == NULL || fclose(exports) != 0 || found == 0) {
            fprintf(stderr, "nothing read from %s\n", argv[2]);
            return 1;
        }
        pthread_barrier_init(&gate, NULL, 2);
        if (pthread_create(&thread, NULL, wait_and_end, &gate) != 0) {
            return 1;
        }
        use(NULL);
        pthread_barrier_wait(&gate);
        if (dlclose(library) != 0) {
            fprintf(stderr, "dlclose: %s\n", dlerror());
            return 1;
        }
        pthread_barrier_wait(&gate);
        pthread_join(thread, NULL);
        pthread_barrier_destroy(&gate);
    }
    return 0;
}
