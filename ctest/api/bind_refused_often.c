/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that is refused memory and goes on without it can ask again as often as it likes: what it
 * has mapped and what it has in memory do not grow by that, in one thread or in several. What then is
 * freed can be had. Difference: the original refuses nothing until address space is out. */
#include "machine.h"
#include "output.h"
#include "process.h"
#include "threads.h"

#define CHUNK GIB
#define MAX_CHUNKS 4096
#define TIMES 200
#define THREADS 4

static memkind_t kind;

/* Asks for sizes that change, all of them too much. */
static void *ask(void *size)
{
    for (size_t i = 0; i < TIMES; i++) {
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, *(size_t *)size + i % 7 * MIB));
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static void *chunks[MAX_CHUNKS];
    size_t n = 0, size = CHUNK;
    pthread_t threads[THREADS];

    (void)argv;
    if (!is_counted(argc)) {
        return 0;
    }
    kind = MEMKIND_HBW_ALL;
    need_bound_kinds();
    while (n < MAX_CHUNKS && (chunks[n] = memkind_malloc(kind, size)) != NULL) {
        n++;
    }
    CHECK(n < MAX_CHUNKS);
    if (n == 0) {
        SKIP("less than 1 GiB is available");
    }
    /* Others may end meanwhile: four times what no longer fitted. */
    size *= 4;
    ask(&size);
    const size_t mapped = address_space(), resident = resident_memory();
    ask(&size);
    CHECK_INT(mapped, address_space());
    CHECK(resident_memory() <= resident + MIB);
    start_threads(threads, THREADS, ask, &size, 0);
    join_threads(threads, THREADS);
    /* Stacks, arenas and their first addresses; but nothing for each request. */
    CHECK(resident_memory() <= resident + 16 * MIB);
    CHECK(address_space() <= mapped + THREADS * 2 * size);
    memkind_free(kind, chunks[--n]);
    chunks[n] = memkind_malloc(kind, CHUNK / 2);
    CHECK(chunks[n] != NULL);
    return 0;
}
