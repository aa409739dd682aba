/* SPDX-License-Identifier: BSD-2-Clause */
/* The operations of several threads; included twice, as kernels.h is. The shapes are those of workloads that
 * allocators have been compared by for long; the programs are new. n is the number of operations of all
 * threads together; an operation is one malloc and one free, if not said otherwise. */

/* Every thread malloc and free at once: what is shared shows. */
static void FN(pairs_body)(struct member *m)
{
    FN(pair)(m->target, m->size, m->n);
}

static uint64_t FN(pairs)(const struct target *t, size_t size, uint64_t n)
{
    return run_team(t, FN(pairs_body), size, n, NULL);
}

/* larson: a server. Each thread replaces random blocks in a table of its own, from 16 bytes to size; after a
 * while it ends, and a new thread goes on with the table of another one, so that blocks outlive their thread. */
struct FN(larson_table) {
    char *blocks[LARSON_BLOCKS];
    uint64_t random;
};

static void FN(larson_body)(struct member *m)
{
    CALLS(m->target);
    struct FN(larson_table) *table = (struct FN(larson_table) *)m->shared + m->index;
    for (uint64_t i = 0; i < m->n; i++) {
        uint32_t r = next_random(&table->random);
        char **slot = &table->blocks[r % LARSON_BLOCKS];
        FREE(*slot);
        *slot = touched(MALLOC(16 + (r >> 12) % (m->size - 15)));
    }
}

static uint64_t FN(larson)(const struct target *t, size_t size, uint64_t n)
{
    CALLS(t);
    static struct FN(larson_table) tables[MOST_THREADS];
    const uint64_t generation = 50000;
    uint64_t done = 0;
    for (unsigned i = 0; i < team_size; i++) {
        tables[i].random = i + 1;
        for (unsigned j = 0; j < LARSON_BLOCKS; j++) {
            tables[i].blocks[j] = touched(MALLOC(16 + j % (size - 15)));
        }
    }
    start_clock();
    while (done < n) {
        done += run_team(t, FN(larson_body), size, generation * team_size, tables);
        struct FN(larson_table) first = tables[0];
        memmove(&tables[0], &tables[1], (team_size - 1) * sizeof(tables[0]));
        tables[team_size - 1] = first;
    }
    stop_clock();
    for (unsigned i = 0; i < team_size; i++) {
        for (unsigned j = 0; j < LARSON_BLOCKS; j++) {
            FREE(tables[i].blocks[j]);
        }
    }
    return done;
}

/* Half of the threads allocate, the other half frees; batches pass through a queue. */
static void FN(prodcons_body)(struct member *m)
{
    CALLS(m->target);
    struct queue *queue = m->shared;
    struct batch batch;
    if (m->index % 2 == 0) {
        for (uint64_t i = 0; i < m->n; i += BATCH / 2) {
            for (unsigned j = 0; j < BATCH; j++) {
                batch.blocks[j] = touched(MALLOC(m->size));
            }
            push(queue, &batch);
        }
    } else {
        for (uint64_t i = 0; i < m->n; i += BATCH / 2) {
            pop(queue, &batch);
            for (unsigned j = 0; j < BATCH; j++) {
                FREE(batch.blocks[j]);
            }
        }
    }
}

static uint64_t FN(prodcons)(const struct target *t, size_t size, uint64_t n)
{
    static struct queue queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER,
                                 .less = PTHREAD_COND_INITIALIZER};
    require(team_size % 2 == 0, "an even number of threads");
    n = (n / (BATCH * team_size) + 1) * BATCH * team_size;
    return run_team(t, FN(prodcons_body), size, n, &queue);
}

/* xmalloc: every thread allocates batches for a common pool and frees batches that it finds there; sizes vary. */
static void FN(xmalloc_body)(struct member *m)
{
    CALLS(m->target);
    struct queue *pool = m->shared;
    struct batch batch;
    uint64_t random = m->index + 1, size = m->size;
    for (uint64_t i = 0; i < m->n; i += BATCH) {
        for (unsigned j = 0; j < BATCH; j++) {
            batch.blocks[j] = touched(MALLOC(8 + next_random(&random) % size));
        }
        exchange(pool, &batch);
        for (unsigned j = 0; j < BATCH; j++) {
            if (batch.blocks[j] != NULL) {
                FREE(batch.blocks[j]);
            }
        }
    }
}

static uint64_t FN(xmalloc)(const struct target *t, size_t size, uint64_t n)
{
    CALLS(t);
    static struct queue pool = {.lock = PTHREAD_MUTEX_INITIALIZER};
    n = run_team(t, FN(xmalloc_body), size, n, &pool);
    struct batch batch;
    while (pool.used > 0) {
        batch = pool.batches[(pool.first + --pool.used) % QUEUE];
        for (unsigned j = 0; j < BATCH; j++) {
            if (batch.blocks[j] != NULL) {
                FREE(batch.blocks[j]);
            }
        }
    }
    return n;
}

/* cache-scratch: each thread first frees a block that the main thread made next to the others', then keeps
 * allocating, writing to and freeing one of its own. If memory of one cache line goes to several threads,
 * the writes are slow. An operation is malloc, 50 times writing all bytes, free. */
static void FN(scratch_body)(struct member *m)
{
    CALLS(m->target);
    char **given = m->shared;
    FREE(given[m->index]);
    for (uint64_t i = 0; i < m->n; i++) {
        volatile char *p = touched(MALLOC(m->size));
        for (unsigned again = 0; again < 50; again++) {
            for (size_t at = 0; at < m->size; at++) {
                p[at] = (char)again;
            }
        }
        FREE((char *)p);
    }
}

static uint64_t FN(cachescratch)(const struct target *t, size_t size, uint64_t n)
{
    CALLS(t);
    char *given[MOST_THREADS];
    for (unsigned i = 0; i < team_size; i++) {
        given[i] = touched(MALLOC(size));
    }
    return run_team(t, FN(scratch_body), size, n, given);
}

/* mstress: sizes by powers of two (small ones often, up to size), and half of the time a block is exchanged
 * with one of a table that all threads share. An operation is one step of either sort. */
static void FN(mstress_body)(struct member *m)
{
    CALLS(m->target);
    _Atomic(void *) *shared = m->shared;
    void *own[512] = {0};
    uint64_t random = m->index + 77;
    unsigned powers = 0;
    while (((size_t)16 << powers) < m->size) {
        powers++;
    }
    for (uint64_t i = 0; i < m->n; i++) {
        uint32_t r = next_random(&random);
        void **slot = &own[r % 512];
        if (r & 1 << 20) {
            *slot = atomic_exchange(&shared[(r >> 9) % LIVE], *slot);
        } else {
            if (*slot != NULL) {
                FREE(*slot);
            }
            unsigned power = (unsigned)__builtin_ctz((r >> 21) | 1u << powers);
            size_t bytes = 1 + next_random(&random) % ((size_t)16 << power);
            *slot = touched(MALLOC(bytes));
        }
    }
    for (unsigned i = 0; i < 512; i++) {
        if (own[i] != NULL) {
            FREE(own[i]);
        }
    }
}

static uint64_t FN(mstress)(const struct target *t, size_t size, uint64_t n)
{
    CALLS(t);
    static _Atomic(void *) shared[LIVE];
    n = run_team(t, FN(mstress_body), size, n, (void *)shared);
    for (unsigned i = 0; i < LIVE; i++) {
        void *p = atomic_exchange(&shared[i], NULL);
        if (p != NULL) {
            FREE(p);
        }
    }
    return n;
}

/* As rpmalloc's test: each thread replaces random blocks of 16 bytes to size, and of each 256 sends 64 to the
 * next thread, which frees them. The blocks travel as a list, linked through their first words. */
static void FN(free_list)(const struct target *t, void *list)
{
    CALLS(t);
    while (list != NULL) {
        void *next = *(void **)list;
        FREE(list);
        list = next;
    }
}

static void FN(rptest_body)(struct member *m)
{
    CALLS(m->target);
    _Atomic(void *) *lists = m->shared;
    _Atomic(void *) *next = &lists[(m->index + 1) % m->team];
    void *own[LIVE];
    uint64_t random = m->index + 1234;
    for (unsigned i = 0; i < LIVE; i++) {
        own[i] = touched(MALLOC(16 + next_random(&random) % m->size));
    }
    for (uint64_t i = 0; i < m->n; i += 256) {
        for (unsigned j = 0; j < 256 - BATCH; j++) {
            uint32_t r = next_random(&random);
            FREE(own[r % LIVE]);
            own[r % LIVE] = touched(MALLOC(16 + (r >> 10) % m->size));
        }
        void **last = (void **)touched(MALLOC(16 + next_random(&random) % m->size));
        void *list = last;
        for (unsigned j = 1; j < BATCH; j++) {
            void **block = (void **)touched(MALLOC(16 + next_random(&random) % m->size));
            *block = list;
            list = block;
        }
        void *before = atomic_load(next);
        do {
            *last = before;
        } while (!atomic_compare_exchange_weak(next, &before, list));
        FN(free_list)(m->target, atomic_exchange(&lists[m->index], NULL));
    }
    for (unsigned i = 0; i < LIVE; i++) {
        FREE(own[i]);
    }
}

static uint64_t FN(rptest)(const struct target *t, size_t size, uint64_t n)
{
    static _Atomic(void *) lists[MOST_THREADS];
    n = run_team(t, FN(rptest_body), size, n, (void *)lists);
    for (unsigned i = 0; i < team_size; i++) {
        FN(free_list)(t, atomic_exchange(&lists[i], NULL));
    }
    return n;
}

/* Threads that are there for a moment: 20 blocks, then the end. An operation is one thread. */
static void FN(brief_body)(struct member *m)
{
    CALLS(m->target);
    char *own[20];
    for (unsigned i = 0; i < 20; i++) {
        own[i] = touched(MALLOC(m->size));
    }
    for (unsigned i = 0; i < 20; i++) {
        FREE(own[i]);
    }
}

static uint64_t FN(brief)(const struct target *t, size_t size, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        run_one(t, FN(brief_body), size);
    }
    return n;
}

/* `size` live blocks of 64 bytes, of which random ones are replaced: what a large heap costs. Only the
 * replacing is measured. */
static uint64_t FN(live)(const struct target *t, size_t size, uint64_t n)
{
    CALLS(t);
    size_t bytes = size * sizeof(char *);
    char **live = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    uint64_t random = size;
    require(live != MAP_FAILED, "mmap of the table");
    for (size_t i = 0; i < size; i++) {
        live[i] = touched(MALLOC(64));
    }
    start_clock();
    for (uint64_t i = 0; i < n; i++) {
        char **slot = &live[next_random(&random) % size];
        FREE(*slot);
        *slot = touched(MALLOC(64));
    }
    stop_clock();
    for (size_t i = 0; i < size; i++) {
        FREE(live[i]);
    }
    munmap(live, bytes);
    return n;
}
