/* SPDX-License-Identifier: BSD-2-Clause */
/* Copies a file over io_uring with fixed buffers. The buffers are ordinary blocks of a pinned kind: a map registers the
 * kind's memory with the ring as the kind grows, and tells the index of the fixed buffer that a block lies in.
 *
 *   gcc uring_copy.c -lmemkind
 *   ./a.out FROM TO     without names it copies a file that it makes
 */
#include <fcntl.h>
#include <memkind_ext.h>
#include <stdio.h>
#include <stdlib.h>

#include "uring.h"

enum { BLOCK = 256 * 1024, DEPTH = 32, SLABS = 64, SLAB = 2 * 1024 * 1024 };

/* A block on its way: it is read, then written at the same place. */
struct block {
    char *data;
    unsigned index;
    uint64_t offset;
    size_t size, done;
    int writing;
};

static char is_used[SLABS];
static unsigned n_registered;

/* The kind has a new slab: it becomes a fixed buffer before anything of it is handed out. */
static int add(void *ring, void *address, size_t size, void **handle)
{
    unsigned index = 0;

    while (index < SLABS && is_used[index]) {
        index++;
    }
    if (index == SLABS || ring_set_buffer(ring, index, address, size) != 0) {
        return -1; /* the allocation that needs it is NULL */
    }
    is_used[index] = 1;
    n_registered++;
    *handle = (void *)(uintptr_t)index;
    return 0;
}

static void forget(void *ring, void *address, size_t size, void *handle)
{
    (void)address, (void)size;
    ring_set_buffer(ring, (unsigned)(uintptr_t)handle, NULL, 0);
    is_used[(uintptr_t)handle] = 0;
}

static memkind_t make_kind(void)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = NULL;

    if (config != NULL) {
        memkind_config_set_options(config, MEMKIND_OPTION_PIN | MEMKIND_OPTION_NO_FORK);
        memkind_config_set_alignment(config, 4096);
        memkind_config_set_slab_size(config, SLAB);
        memkind_config_set_size(config, (size_t)SLABS * SLAB);
        if (memkind_create_with_config(config, &kind) != MEMKIND_SUCCESS) {
            kind = NULL;
        }
        memkind_config_delete(config);
    }
    return kind;
}

static void queue(struct ring *ring, struct block *block, const int files[2])
{
    ring_queue(ring, block->writing ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED, files[block->writing],
               block->data + block->done, block->size - block->done, block->offset + block->done, block->index,
               (uintptr_t)block);
}

/* Up to DEPTH blocks are on their way at a time. 0, or an error as io_uring gives it. */
static int copy(struct ring *ring, struct memkind_map *map, memkind_t kind, const int files[2], uint64_t size)
{
    uint64_t next = 0, mark;
    unsigned flying = 0;

    while (next < size || flying > 0) {
        struct memkind_range range;
        struct block *block;
        int result;

        while (next < size && flying < DEPTH) {
            block = calloc(1, sizeof(*block));
            block->data = memkind_malloc(kind, BLOCK);
            if (block->data == NULL || memkind_map_find(map, block->data, &range) != MEMKIND_SUCCESS) {
                return -ENOMEM;
            }
            block->index = (unsigned)(uintptr_t)range.handle;
            block->offset = next;
            block->size = size - next < BLOCK ? (size_t)(size - next) : BLOCK;
            next += block->size;
            queue(ring, block, files);
            flying++;
        }
        result = ring_wait(ring, &mark);
        if (result <= 0) {
            return result < 0 ? result : -EIO;
        }
        block = (struct block *)(uintptr_t)mark;
        block->done += (size_t)result;
        if (block->done == block->size) {
            if (block->writing) {
                memkind_free(NULL, block->data);
                free(block);
                flying--;
                continue;
            }
            block->writing = 1;
            block->done = 0;
        }
        queue(ring, block, files);
    }
    return 0;
}

/* A file of 40 MiB and a bit, to copy. */
static int make_file(void)
{
    FILE *file = tmpfile();

    for (unsigned i = 0; file != NULL && i < 10 * 1024 * 1024 + 100; i++) {
        if (fwrite(&i, sizeof(i), 1, file) != 1) {
            return -1;
        }
    }
    return file != NULL && fflush(file) == 0 ? fileno(file) : -1;
}

static int are_same(const int files[2])
{
    static char one[65536], other[65536];
    ssize_t got;
    off_t place = 0;

    while ((got = pread(files[0], one, sizeof(one), place)) > 0) {
        if (pread(files[1], other, sizeof(other), place) != got || memcmp(one, other, (size_t)got) != 0) {
            return 0;
        }
        place += got;
    }
    return got == 0 && pread(files[1], other, 1, place) == 0;
}

int main(int argc, char **argv)
{
    int files[2], status;
    struct ring ring;
    struct memkind_map *map;
    memkind_t kind;
    off_t size;

    if (ring_open(&ring, DEPTH) != 0 || ring_make_room(&ring, SLABS) != 0) {
        printf("no io_uring with fixed buffers here: %s\n", strerror(errno));
        return 77;
    }
    if (argc == 3) {
        files[0] = open(argv[1], O_RDONLY);
        files[1] = open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0666);
    } else {
        files[0] = make_file();
        files[1] = fileno(tmpfile());
    }
    size = lseek(files[0], 0, SEEK_END);
    if (files[0] < 0 || files[1] < 0 || size < 0) {
        perror("files");
        return 1;
    }
    kind = make_kind();
    if (kind == NULL || memkind_map_create(add, forget, 0, &ring, &map) != MEMKIND_SUCCESS ||
        memkind_map_attach(map, kind) != MEMKIND_SUCCESS) {
        fprintf(stderr, "no kind or map\n");
        return 1;
    }
    status = copy(&ring, map, kind, files, (uint64_t)size);
    if (status != 0) {
        fprintf(stderr, "copy: %s%s\n", strerror(-status),
                status == -ENOMEM ? " (registered memory counts against ulimit -l)" : "");
        return 1;
    }
    status = are_same(files) ? 0 : 1;
    printf("%lld bytes in blocks of %d from %u registered slabs: %s\n", (long long)size, BLOCK, n_registered,
           status == 0 ? "the files are the same" : "the files DIFFER");
    memkind_map_destroy(map);
    memkind_destroy_kind(kind);
    return status;
}
