/* SPDX-License-Identifier: BSD-2-Clause */
/* The operations of one thread. Included twice by worker.c: once with calls that take a kind, once with
 * malloc and free themselves, so that no target pays for a wrapper. The includer defines
 *   FN(name)                                  the name of a kernel
 *   MALLOC(size), FREE(p), REALLOC(p, size), USABLE(p)
 *   FREE_NULL(p), USABLE_NULL(p), DETECT(p)   only with a kind (WITH_KIND)
 * A kernel runs `n` operations (rounded up to whole batches) on blocks of `size` bytes and returns how
 * many they were. An operation is one malloc and one free, if not said otherwise. */

/* malloc, then free at once. */
static uint64_t FN(pair)(const struct target *t, size_t size, uint64_t n)
{
    CALLS(t);
    for (uint64_t i = 0; i < n; i++) {
        FREE(touched(MALLOC(size)));
    }
    return n;
}

/* LIVE blocks, freed in the order that `order` says. */
static uint64_t FN(batch)(const struct target *t, size_t size, uint64_t n, const uint16_t *order)
{
    CALLS(t);
    void **live = scratch;
    uint64_t done = 0;
    while (done < n) {
        for (unsigned i = 0; i < LIVE; i++) {
            live[i] = touched(MALLOC(size));
        }
        for (unsigned i = 0; i < LIVE; i++) {
            FREE(live[order[i]]);
        }
        done += LIVE;
    }
    return done;
}

static uint64_t FN(lifo)(const struct target *t, size_t size, uint64_t n)
{
    return FN(batch)(t, size, n, order_lifo);
}

static uint64_t FN(fifo)(const struct target *t, size_t size, uint64_t n)
{
    return FN(batch)(t, size, n, order_fifo);
}

static uint64_t FN(rand)(const struct target *t, size_t size, uint64_t n)
{
    return FN(batch)(t, size, n, order_random);
}

/* LIVE blocks of 1 to size bytes; each operation replaces one of them. The blocks stay for the next call. */
static uint64_t FN(mixed)(const struct target *t, size_t size, uint64_t n)
{
    CALLS(t);
    void **live = scratch;
    for (unsigned i = 0; i < LIVE; i++) {
        live[i] = touched(MALLOC(1 + (size_t)choice[i].fraction * size / 65536));
    }
    start_clock();
    for (uint64_t i = 0; i < n; i++) {
        const struct choice *c = &choice[i % CHOICES];
        FREE(live[c->slot]);
        live[c->slot] = touched(MALLOC(1 + (size_t)c->fraction * size / 65536));
    }
    stop_clock();
    for (unsigned i = 0; i < LIVE; i++) {
        FREE(live[i]);
    }
    return n;
}

/* Bursts of 8 to 23 blocks, freed last in first out, each with another burst in its middle. */
static uint64_t FN(mlifo)(const struct target *t, size_t size, uint64_t n)
{
    CALLS(t);
    void *live[2 * 24];
    uint64_t done = 0;
    for (unsigned i = 0; done < n; i++) {
        unsigned outer = 8 + choice[i % CHOICES].fraction % 16;
        unsigned inner = 8 + choice[i % CHOICES].slot % 16;
        unsigned top = 0;
        while (top < outer) {
            live[top++] = touched(MALLOC(size));
        }
        while (top > outer / 2) {
            FREE(live[--top]);
        }
        while (top < outer / 2 + inner) {
            live[top++] = touched(MALLOC(size));
        }
        while (top > 0) {
            FREE(live[--top]);
        }
        done += outer + inner;
    }
    return done;
}

/* BUILD blocks, as when a program builds its data, then all freed. */
static uint64_t FN(build)(const struct target *t, size_t size, uint64_t n)
{
    CALLS(t);
    void **live = scratch;
    uint64_t done = 0;
    while (done < n) {
        for (unsigned i = 0; i < BUILD; i++) {
            live[i] = touched(MALLOC(size));
        }
        for (unsigned i = 0; i < BUILD; i++) {
            FREE(live[i]);
        }
        done += BUILD;
    }
    return done;
}

/* A block that grows by half from 16 bytes to size. An operation is one realloc. */
static uint64_t FN(grow)(const struct target *t, size_t size, uint64_t n)
{
    CALLS(t);
    uint64_t done = 0;
    while (done < n) {
        size_t now = 16;
        char *p = touched(MALLOC(now));
        while (now < size) {
            now += now / 2;
            p = REALLOC(p, now > size ? size : now);
            touched(p)[now > size ? size - 1 : now - 1] = 1;
            done++;
        }
        FREE(p);
    }
    return done;
}

static uint64_t FN(rgrow)(const struct target *t, size_t size, uint64_t n)
{
    return FN(grow)(t, size, n);
}

/* Growing in a heap that has been in use: GAPS blocks, most of them small, replaced at random many times;
 * then every third of them goes. They stay like that for the call. */
static uint64_t FN(rgaps)(const struct target *t, size_t size, uint64_t n)
{
    CALLS(t);
    void **held = scratch;
    uint64_t seed = 1;
    for (unsigned i = 0; i < 50 * GAPS; i++) {
        unsigned slot = i < GAPS ? i : next_random(&seed) % GAPS;
        if (i >= GAPS) {
            FREE(held[slot]);
        }
        held[slot] = touched(MALLOC(1 + next_random(&seed) % (i % 10 == 0 ? 200000 : 2000)));
    }
    for (unsigned i = 0; i < GAPS; i += 3) {
        FREE(held[i]);
    }
    start_clock();
    uint64_t done = FN(grow)(t, size, n);
    stop_clock();
    for (unsigned i = 0; i < GAPS; i++) {
        if (i % 3 != 0) {
            FREE(held[i]);
        }
    }
    return done;
}

/* The size of a live block, asked for. */
static uint64_t FN(usable)(const struct target *t, size_t size, uint64_t n)
{
    CALLS(t);
    void **live = scratch;
    size_t sum = 0;
    for (unsigned i = 0; i < ASKED; i++) {
        live[i] = touched(MALLOC(size));
    }
    start_clock();
    for (uint64_t i = 0; i < n; i++) {
        sum += USABLE(live[i % ASKED]);
    }
    stop_clock();
    for (unsigned i = 0; i < ASKED; i++) {
        FREE(live[i]);
    }
    require(sum >= n * size, "usable_size");
    return n;
}

/* Blocks of 1 to 32 times a fifth of size, 20 live: programs that hold few large buffers. Touched by the page. */
static uint64_t FN(mlarge)(const struct target *t, size_t size, uint64_t n)
{
    CALLS(t);
    char *live[20];
    for (unsigned i = 0; i < 20; i++) {
        live[i] = touched(MALLOC(size));
    }
    start_clock();
    for (uint64_t i = 0; i < n; i++) {
        const struct choice *c = &choice[i % CHOICES];
        size_t bytes = size / 5 + (size_t)c->fraction * (size - size / 5) / 65536;
        char **slot = &live[c->slot % 20];
        FREE(*slot);
        *slot = touched(MALLOC(bytes));
        touch_pages(*slot, bytes);
    }
    stop_clock();
    for (unsigned i = 0; i < 20; i++) {
        FREE(live[i]);
    }
    return n;
}

/* malloc, touch every page, free. */
static uint64_t FN(touch)(const struct target *t, size_t size, uint64_t n)
{
    CALLS(t);
    for (uint64_t i = 0; i < n; i++) {
        char *p = touched(MALLOC(size));
        touch_pages(p, size);
        FREE(p);
    }
    return n;
}

/* ARRAYS arrays of size bytes: all taken and touched by the page, then all freed. An operation is a MiB that was
 * touched. */
static uint64_t FN(turns)(const struct target *t, size_t size, uint64_t n)
{
    CALLS(t);
    char *live[ARRAYS];
    uint64_t done = 0;
    while (done < n) {
        for (unsigned i = 0; i < ARRAYS; i++) {
            live[i] = touched(MALLOC(size));
            touch_pages(live[i], size);
        }
        for (unsigned i = 0; i < ARRAYS; i++) {
            FREE(live[i]);
        }
        done += ARRAYS * (size >> 20);
    }
    return done;
}

/* An array that grows by half from a 16th of size to size, each part touched by the page when it is there. An operation
 * is a realloc, with the touching. */
static uint64_t FN(agrow)(const struct target *t, size_t size, uint64_t n)
{
    CALLS(t);
    uint64_t done = 0;
    while (done < n) {
        size_t now = size / 16;
        char *p = touched(MALLOC(now));
        touch_pages(p, now);
        while (now < size) {
            size_t before = now;
            now = now + now / 2 > size ? size : now + now / 2;
            p = touched(REALLOC(p, now));
            touch_pages(p + before, now - before);
            done++;
        }
        FREE(p);
    }
    return done;
}

/* Memory as a program without caches in the way would see it: many blocks of mixed small sizes, first
 * allocated in rising and then in falling numbers, freed first in first out (as glibc's own simple test). */
static uint64_t FN(simple)(const struct target *t, size_t size, uint64_t n)
{
    CALLS(t);
    static const unsigned counts[] = {25, 100, 400, 1600};
    void **live = scratch;
    uint64_t done = 0;
    while (done < n) {
        for (unsigned k = 0; k < 4; k++) {
            for (unsigned again = 0; again < 1600 / counts[k]; again++) {
                for (unsigned i = 0; i < counts[k]; i++) {
                    live[i] = touched(MALLOC(size));
                }
                for (unsigned i = 0; i < counts[k]; i++) {
                    FREE(live[i]);
                }
                done += counts[k];
            }
        }
    }
    return done;
}

#ifdef WITH_KIND
/* malloc, then free with the kind left for the library to find. */
static uint64_t FN(fdet)(const struct target *t, size_t size, uint64_t n)
{
    CALLS(t);
    for (uint64_t i = 0; i < n; i++) {
        FREE_NULL(touched(MALLOC(size)));
    }
    return n;
}

static uint64_t FN(det)(const struct target *t, size_t size, uint64_t n)
{
    CALLS(t);
    void **live = scratch;
    uint64_t right = 0;
    for (unsigned i = 0; i < ASKED; i++) {
        live[i] = touched(MALLOC(size));
    }
    start_clock();
    for (uint64_t i = 0; i < n; i++) {
        right += DETECT(live[i % ASKED]) != NULL;
    }
    stop_clock();
    for (unsigned i = 0; i < ASKED; i++) {
        FREE(live[i]);
    }
    require(right == n, "detect_kind");
    return n;
}

static uint64_t FN(unull)(const struct target *t, size_t size, uint64_t n)
{
    CALLS(t);
    void **live = scratch;
    size_t sum = 0;
    for (unsigned i = 0; i < ASKED; i++) {
        live[i] = touched(MALLOC(size));
    }
    start_clock();
    for (uint64_t i = 0; i < n; i++) {
        sum += USABLE_NULL(live[i % ASKED]);
    }
    stop_clock();
    for (unsigned i = 0; i < ASKED; i++) {
        FREE(live[i]);
    }
    require(sum >= n * size, "usable_size(NULL)");
    return n;
}
#endif
