/* SPDX-License-Identifier: BSD-2-Clause */
/* Each fault with pools, vectors and regions that is checked, in each sort of kind, in a process of its own: the first
 * line that is said about it, and how the process ends. */
#include "proper.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct memkind_pool *pool;
static struct memkind_stream *stream;
static struct memkind_region *region;

static unsigned char *object_of(size_t size, size_t alignment, size_t count)
{
    unsigned char *object;

    CHECK_INT(0, memkind_pool_create(kind, size, alignment, count, &pool));
    object = memkind_pool_get(pool);
    CHECK_NOT_NULL(object);
    memset(object, 1, size);
    return object;
}

static void double_put(void)
{
    unsigned char *object = object_of(100, 0, 0);

    memkind_pool_put(pool, object);
    expect("memkind: double put of 100 bytes at %p (pool of kind %s)\n", (void *)object, name);
    memkind_pool_put(pool, object);
}

static void *put_it(void *object)
{
    memkind_pool_put_many(pool, &object, 1);
    return NULL;
}

static void double_put_by_thread(void)
{
    unsigned char *object = object_of(100, 0, 0);
    pthread_t thread;

    CHECK_INT(0, pthread_create(&thread, NULL, put_it, object));
    CHECK_INT(0, pthread_join(thread, NULL));
    expect("memkind: double put of 100 bytes at %p (pool of kind %s)\n", (void *)object, name);
    put_it(object);
}

/* The pool has had the object back for long: larger ones are not kept back. */
static void late_double_put(void)
{
    unsigned char *object = object_of(2 * MIB, 0, 0);

    memkind_pool_put(pool, object);
    expect("memkind: double put of %zu bytes at %p (pool of kind %s)\n", 2 * MIB, (void *)object, name);
    memkind_pool_put(pool, object);
}

static void put_interior(void)
{
    unsigned char *object = object_of(100, 0, 0);

    expect("memkind: put of %p, which is no object of the pool (pool of kind %s)\n", (void *)(object + 8), name);
    memkind_pool_put(pool, object + 8);
}

static void put_into_another(void)
{
    unsigned char *object = object_of(100, 0, 0);

    object_of(100, 0, 0);
    expect("memkind: put of %p, which is no object of the pool (pool of kind %s)\n", (void *)object, name);
    memkind_pool_put(pool, object);
}

static void put_into_destroyed(void)
{
    unsigned char *object = object_of(100, 0, 0);

    CHECK_INT(0, memkind_pool_destroy(pool));
    expect("memkind: put of %p, which is no object of the pool (pool of kind %s)\n", (void *)object, name);
    memkind_pool_put(pool, object);
}

static void free_object(void)
{
    unsigned char *object = object_of(100, 0, 0);

    expect("memkind: free of %p, which is an object of 100 bytes (pool of kind %s): memkind_pool_put() takes it back\n",
           (void *)object, name);
    memkind_free(kind, object);
}

static void use_after_put(void)
{
    unsigned char *object = object_of(100, 0, 0);

    memkind_pool_put(pool, object);
    expect("memkind: byte 7 of freed 100 bytes at %p (pool of kind %s) was written to\n", (void *)object, name);
    ((volatile unsigned char *)object)[7] = 1;
}

/* There are no others. */
static void use_after_put_seen_by_get(void)
{
    unsigned char *object = object_of(100, 0, 1);

    memkind_pool_put(pool, object);
    expect("memkind: byte 99 of freed 100 bytes at %p (pool of kind %s) was written to\n", (void *)object, name);
    ((volatile unsigned char *)object)[99] = 1;
    memkind_pool_get(pool);
    _exit(0);
}

static void use_after_put_seen_by_destroy(void)
{
    unsigned char *object = object_of(100, 0, 0);

    memkind_pool_put(pool, object);
    expect("memkind: byte 0 of freed 100 bytes at %p (pool of kind %s) was written to\n", (void *)object, name);
    ((volatile unsigned char *)object)[0] = 1;
    memkind_pool_destroy(pool);
    _exit(0);
}

static void object_overflow(void)
{
    unsigned char *object = object_of(100, 64, 0);

    expect("memkind: byte 0 behind 100 bytes at %p (pool of kind %s) was written to\n", (void *)object, name);
    ((volatile unsigned char *)object)[100] = 1;
    memkind_pool_put(pool, object);
}

static void objects_alive(void)
{
    void *objects[3] = {object_of(100, 0, 0)};

    for (volatile int i = 0; i < 2; i++) { /* one place */
        objects[i + 1] = memkind_pool_get(pool);
    }
    memkind_pool_put(pool, objects[0]);
    expect("memkind: alive: 2 objects, 200 bytes (pool of kind %s)\n", name);
}

/* ---- vectors ---- */

static struct memkind_iovec vector_of(unsigned flags)
{
    struct memkind_iovec vector;

    if (stream == NULL) {
        CHECK_INT(0, memkind_pool_create(kind, 4096, 0, 0, &pool));
        CHECK_INT(0, memkind_stream_create(pool, &stream));
    }
    CHECK_INT(1, memkind_iovec_alloc(stream, 100, 0, 1, flags, &vector));
    CHECK_INT(100, vector.length);
    return vector;
}

static void double_release(void)
{
    struct memkind_iovec vector = vector_of(MEMKIND_IOVEC_LOCAL), copy = vector;

    memkind_iovec_release(&vector);
    vector = copy;
    expect("memkind: release of a released vector, 100 bytes at %p (pool of kind %s)\n", vector.data, name);
    memkind_iovec_release(&vector);
}

static void release_of_copy(void)
{
    struct memkind_iovec vector = vector_of(MEMKIND_IOVEC_SHARED), copy = vector;

    memkind_iovec_release(&vector);
    expect("memkind: release of a copy of a released vector, 100 bytes at %p (pool of kind %s)\n", copy.data, name);
    memkind_iovecs_release(&copy, 1);
}

static void use_after_release(void)
{
    struct memkind_iovec vector = vector_of(MEMKIND_IOVEC_SHARED), copy = vector, clone;

    memkind_iovec_release(&vector);
    expect("memkind: clone of a copy of a released vector, 100 bytes at %p (pool of kind %s)\n", copy.data, name);
    memkind_iovec_clone(&clone, &copy);
}

static void addref_after_release(void)
{
    struct memkind_iovec vector = vector_of(MEMKIND_IOVEC_LOCAL), copy = vector;

    /* One release more than references. */
    memkind_iovec_addref(&vector);
    memkind_iovec_release(&copy);
    copy = vector;
    memkind_iovec_release(&vector);
    expect("memkind: addref of a copy of a released vector, 100 bytes at %p (pool of kind %s)\n", copy.data, name);
    memkind_iovec_addref(&copy);
}

static void move_after_release(void)
{
    struct memkind_iovec vector = vector_of(MEMKIND_IOVEC_LOCAL), copy = vector, moved;

    memkind_iovec_release(&vector);
    expect("memkind: move of a copy of a released vector, 100 bytes at %p (pool of kind %s)\n", copy.data, name);
    memkind_iovec_move_segment(&moved, &copy, 0, 10);
}

static void *release_it(void *vector)
{
    expect("memkind: release by thread %ld of a LOCAL vector of thread %d, 100 bytes at %p (pool of kind %s)\n",
           syscall(SYS_gettid), getpid(), ((struct memkind_iovec *)vector)->data, name);
    memkind_iovec_release(vector);
    return NULL;
}

static void local_on_another_thread(void)
{
    struct memkind_iovec vector = vector_of(MEMKIND_IOVEC_LOCAL);
    pthread_t thread;

    CHECK_INT(0, pthread_create(&thread, NULL, release_it, &vector));
    pthread_join(thread, NULL);
    _exit(0);
}

static void reserve_twice(void)
{
    struct memkind_iovec vector = vector_of(MEMKIND_IOVEC_LOCAL), other;

    memkind_iovec_release(&vector);
    CHECK_INT(1, memkind_iovec_reserve(stream, 100, 0, 1, &vector));
    expect("memkind: use of a stream that has reserved 100 bytes at %p (pool of kind %s)\n", vector.data, name);
    memkind_iovec_reserve(stream, 100, 0, 1, &other);
    _exit(0);
}

/* Another one has been made since: it is not taken for the first. */
static struct memkind_stream *destroyed_stream(void)
{
    struct memkind_iovec vector = vector_of(MEMKIND_IOVEC_LOCAL);
    struct memkind_stream *first = stream;

    memkind_stream_destroy(first);
    memkind_iovec_release(&vector);
    CHECK_INT(0, memkind_stream_create(pool, &stream));
    vector_of(MEMKIND_IOVEC_SHARED);
    expect("memkind: use of a stream that was destroyed (kind %s)\n", name);
    return first;
}

static void stream_used_after_destroy(void)
{
    struct memkind_iovec vector;

    memkind_iovec_alloc(destroyed_stream(), 10, 0, 1, MEMKIND_IOVEC_SHARED, &vector);
    _exit(0);
}

static void commit_to_destroyed_stream(void)
{
    struct memkind_iovec vector = vector_of(MEMKIND_IOVEC_LOCAL);

    memkind_iovec_commit(destroyed_stream(), 0, &vector, 1);
    _exit(0);
}

static void twice_destroyed_stream(void)
{
    memkind_stream_destroy(destroyed_stream());
    _exit(0);
}

static void put_of_buffer(void)
{
    struct memkind_iovec vector = vector_of(MEMKIND_IOVEC_SHARED);

    expect("memkind: put of 4096 bytes at %p (pool of kind %s), to which vectors refer\n", vector.data, name);
    memkind_pool_put(pool, vector.data);
}

static void buffer_after_release(void)
{
    struct memkind_iovec vector = vector_of(MEMKIND_IOVEC_SHARED);
    volatile unsigned char *data = vector.data;

    memkind_stream_destroy(stream);
    memkind_iovec_release(&vector);
    expect("memkind: byte 50 of freed 4096 bytes at %p (pool of kind %s) was written to\n", (void *)data, name);
    data[50] = 1;
}

static void vectors_alive(void)
{
    for (volatile int i = 0; i < 2; i++) { /* one place */
        vector_of(MEMKIND_IOVEC_SHARED);
    }
    expect("memkind: alive: 2 vectors, 200 bytes (pool of kind %s)\n", name);
}

/* ---- regions ---- */

static unsigned char *region_block(size_t size)
{
    unsigned char *block;

    if (region == NULL) {
        CHECK_INT(0, memkind_region_create(kind, 0, 0, &region));
    }
    block = memkind_region_alloc(region, size);
    CHECK_NOT_NULL(block);
    memset(block, 1, size);
    return block;
}

static void region_overflow(void)
{
    volatile unsigned char *block = region_block(100);

    expect("memkind: byte 3 behind 100 bytes at %p (region of kind %s) was written to\n", (void *)block, name);
    block[103] = 1;
    memkind_region_reset(region);
    _exit(0);
}

static void region_use_after_rewind(void)
{
    volatile unsigned char *block;
    void *mark;

    region_block(100);
    mark = memkind_region_mark(region);
    block = region_block(100);
    CHECK_INT(0, memkind_region_rewind(region, mark));
    expect("memkind: write to %p after it was freed (region of kind %s)\n", (void *)(block + 99), name);
    block[99] = 1;
    region_block(50);
    _exit(0);
}

static void region_use_seen_by_destroy(void)
{
    volatile unsigned char *block = region_block(100);

    CHECK_INT(0, memkind_region_reset(region));
    expect("memkind: write to %p after it was freed (region of kind %s)\n", (void *)(block + 99), name);
    block[99] = 1;
    memkind_region_destroy(region);
    _exit(0);
}

/* With a limit the second block in a chunk may begin above the first one, or below it. */
static void region_use_in_chunk_used_again(void)
{
    volatile unsigned char *block;

    CHECK_INT(0, memkind_region_create(kind, 0, 100000, &region));
    region_block(65000);
    block = region_block(1000);
    CHECK_INT(0, memkind_region_reset(region));
    region_block(100);
    expect("memkind: write to %p after it was freed (region of kind %s)\n", (void *)(block + 500), name);
    block[500] = 1;
    memkind_region_destroy(region);
    _exit(0);
}

static void destroyed_region(void)
{
    region_block(100);
    memkind_region_destroy(region);
    expect("memkind: use of a region that was destroyed (kind %s)\n", name);
    memkind_region_alloc(region, 1);
}

/* Another one has been made since: it is not taken for the first. */
static void twice_destroyed_region(void)
{
    struct memkind_region *first;

    region_block(100);
    first = region;
    memkind_region_destroy(first);
    region = NULL;
    region_block(100);
    expect("memkind: use of a region that was destroyed (kind %s)\n", name);
    memkind_region_destroy(first);
}

static void region_alive(void)
{
    region_block(100);
    region_block(50);
    expect("memkind: alive: 1 region with 2 blocks, 150 bytes (kind %s)\n", name);
}

static void collect(void *context, const char *text)
{
    strncat(context, text, 4000 - strlen(context));
}

/* A region and a vector are in the report of their kind and of all kinds, and not in another kind's. */
static void region_reported(void)
{
    static char text[4096];
    char expected[200];

    region_block(100);
    region_block(50);
    vector_of(MEMKIND_IOVEC_LOCAL);
    snprintf(expected, sizeof(expected), "memkind: alive: 1 region with 2 blocks, 150 bytes (kind %s)\n", name);
    CHECK_INT(0, memkind_report(kind, collect, text));
    CHECK(strstr(text, expected) != NULL);
    CHECK(strstr(text, "memkind: alive: 1 vector, ") != NULL);
    text[0] = '\0';
    CHECK_INT(0, memkind_report(NULL, collect, text));
    CHECK(strstr(text, expected) != NULL);
    text[0] = '\0';
    CHECK_INT(0, memkind_report(MEMKIND_HUGETLB, collect, text));
    CHECK(strstr(text, "alive") == NULL);
    _exit(0);
}

/* No fault: nothing is to be said. */
static void clean(void)
{
    struct memkind_iovec vectors[50], moved;
    void *objects[50] = {NULL};
    void *marks[50];
    unsigned state = 1;

    memset(vectors, 0, sizeof(vectors));
    vectors[0] = vector_of(MEMKIND_IOVEC_LOCAL);
    CHECK_INT(0, memkind_region_create(kind, 4096, 0, &region));
    for (int i = 0; i < 6000; i++) {
        const unsigned random = (state = state * 1664525u + 1013904223u) >> 8;
        struct memkind_iovec *vector = &vectors[random % 50], *other = &vectors[random / 64 % 50];
        void **object = &objects[random % 50];
        const size_t size = random / 64 % 700 + 1;

        switch (i % 8) {
        case 0:
        case 1:
            memkind_pool_put(pool, *object);
            *object = memkind_pool_get(pool);
            CHECK_NOT_NULL(*object);
            memset(*object, i, 4096);
            break;
        case 2:
            memkind_iovec_release(vector);
            CHECK_INT(1, memkind_iovec_alloc(stream, (unsigned)size, 16, 1, random & 1, vector));
            memset(vector->data, i, vector->length);
            break;
        case 3:
            if (vector != other) {
                memkind_iovec_release(other);
                CHECK_INT(0, memkind_iovec_clone_segment(other, vector, vector->length / 2, vector->length / 4));
            }
            break;
        case 4:
            memkind_iovec_addref(vector);
            moved = *vector;
            memkind_iovec_release(&moved);
            memkind_iovec_move(&moved, vector);
            CHECK_INT(0, memkind_iovec_move_segment(vector, &moved, 0, moved.length));
            break;
        case 5:
            memkind_iovec_release(vector);
            CHECK_INT(1, memkind_iovec_reserve(stream, 600, 0, 1, vector));
            vector->length = (unsigned)size % 600;
            CHECK_INT(0, memkind_iovec_commit(stream, 0, vector, 1));
            break;
        case 6:
            for (size_t j = 0; j < 50; j++) {
                marks[j] = memkind_region_memalign(region, (size_t)16 << j % 6, size);
                CHECK_NOT_NULL(marks[j]);
                memset(marks[j], i, size);
            }
            break;
        default:
            CHECK_INT(0, random % 5 == 0 ? memkind_region_reset(region)
                                         : memkind_region_rewind(region, marks[random % 50]));
        }
    }
    memkind_iovecs_release(vectors, 50);
    memkind_pool_put_many(pool, objects, 50);
    memkind_region_destroy(region);
    memkind_stream_destroy(stream);
    CHECK_INT(0, memkind_pool_destroy(pool));
}

static const struct fault faults[] = {
    {"double put", double_put, "free", ABORTED},
    {"double put, all checks", double_put, "all", ABORTED},
    {"double put after another thread's", double_put_by_thread, "free", ABORTED},
    {"late double put", late_double_put, "free,use", ABORTED},
    {"put of an interior pointer", put_interior, "free", ABORTED},
    {"put into another pool", put_into_another, "free", ABORTED},
    {"put into a destroyed pool", put_into_destroyed, "free", ABORTED},
    {"free of an object", free_object, "free", ABORTED},
    {"use after put, seen at exit", use_after_put, "use", ABORTED},
    {"use after put, seen by get", use_after_put_seen_by_get, "use", ABORTED},
    {"use after put, seen by destroy", use_after_put_seen_by_destroy, "use", ABORTED},
    {"overflow of an object", object_overflow, "overflow", ABORTED},
    {"objects alive", objects_alive, "leak", 0},
    {"double release", double_release, "free", ABORTED},
    {"release of a copy", release_of_copy, "free", ABORTED},
    {"use after release", use_after_release, "free", ABORTED},
    {"addref after release", addref_after_release, "free", ABORTED},
    {"move after release", move_after_release, "free", ABORTED},
    {"LOCAL on another thread", local_on_another_thread, "free", ABORTED},
    {"reserve twice", reserve_twice, "free", ABORTED},
    {"a destroyed stream", stream_used_after_destroy, "free", ABORTED},
    {"commit to a destroyed stream", commit_to_destroyed_stream, "free", ABORTED},
    {"a stream destroyed twice", twice_destroyed_stream, "free", ABORTED},
    {"put of a buffer", put_of_buffer, "free", ABORTED},
    {"use of a buffer after release", buffer_after_release, "use", ABORTED},
    {"vectors alive", vectors_alive, "leak", 0},
    {"overflow in a region", region_overflow, "overflow", ABORTED},
    {"use after rewind", region_use_after_rewind, "use", ABORTED},
    {"use after reset, seen by destroy", region_use_seen_by_destroy, "use", ABORTED},
    {"a destroyed region", destroyed_region, "free", ABORTED},
    {"a region destroyed twice", twice_destroyed_region, "free", ABORTED},
    {"a region alive", region_alive, "leak", 0},
    {"a region reported", region_reported, "leak", 0},
    {"no fault", clean, "all,guard=3", 0},
    {"limits of regions, use", limited_regions, "use", 0},
    {"limits of regions, all", limited_regions, "all", 0},
    {"use in a chunk that is used again", region_use_in_chunk_used_again, "use", ABORTED},
};

int main(int argc, char **argv)
{
    static const char *const sorts[] = {"default", "pmem", "fixed", "nodes", "pinned"};
    char context[100];

    if (argc == 2) {
        commit(argv[1], faults);
        return 0;
    }
    for (size_t i = 0; i < sizeof(sorts) / sizeof(sorts[0]); i++) {
        for (size_t j = 0; j < sizeof(faults) / sizeof(faults[0]); j++) {
            snprintf(context, sizeof(context), "%s: %s", sorts[i], faults[j].name);
            check_context = context;
            in_process(sorts[i], faults, j);
        }
    }
    return 0;
}
