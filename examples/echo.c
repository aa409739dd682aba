/* SPDX-License-Identifier: BSD-2-Clause */
/* An echo server that copies nothing, on io_uring: the kernel knows the server's buffers, writes what comes in into
 * vectors, and sends segments of them back; a buffer goes back into the pool when the last one is sent. A map
 * registers the memory of the pool's kind, and tells for each vector by what number the kernel knows it. The client
 * is a thread of the same program. Where io_uring may not be used, it says so and exits with 77.
 *
 *   gcc echo.c -lmemkind -lpthread
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <memkind_ext.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ROUNDS = 2000, MOST = 4096, RANGES = 16 };

/* ---- io_uring by its system calls, one request at a time. ---- */

static struct {
    int fd;
    unsigned *tail, *mask, *array;      /* of requests */
    unsigned *done, *done_tail, *done_mask; /* of answers */
    struct io_uring_sqe *requests;
    struct io_uring_cqe *answers;
    unsigned n_ranges;
    int refused; /* why the kernel takes no range more; 0 if it did */
} ring;

static int start_ring(void)
{
    struct io_uring_params params;
    struct iovec none[RANGES];
    char *place;
    size_t size;

    memset(&params, 0, sizeof(params));
    memset(none, 0, sizeof(none));
    ring.fd = (int)syscall(SYS_io_uring_setup, 4, &params);
    if (ring.fd < 0 || !(params.features & IORING_FEAT_SINGLE_MMAP)) {
        return -1;
    }
    size = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
    if (size < params.sq_off.array + params.sq_entries * sizeof(unsigned)) {
        size = params.sq_off.array + params.sq_entries * sizeof(unsigned);
    }
    place = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQ_RING);
    ring.requests = mmap(NULL, params.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE, MAP_SHARED,
                         ring.fd, IORING_OFF_SQES);
    if (place == MAP_FAILED || ring.requests == MAP_FAILED) {
        return -1;
    }
    ring.tail = (unsigned *)(void *)(place + params.sq_off.tail);
    ring.mask = (unsigned *)(void *)(place + params.sq_off.ring_mask);
    ring.array = (unsigned *)(void *)(place + params.sq_off.array);
    ring.done = (unsigned *)(void *)(place + params.cq_off.head);
    ring.done_tail = (unsigned *)(void *)(place + params.cq_off.tail);
    ring.done_mask = (unsigned *)(void *)(place + params.cq_off.ring_mask);
    ring.answers = (struct io_uring_cqe *)(void *)(place + params.cq_off.cqes);
    /* Room for ranges of memory to come. */
    return (int)syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS, none, RANGES);
}

/* Bytes that went through, 0 at the end, or minus an errno. */
static int transfer(int operation, int socket, const void *data, unsigned length, uint16_t range)
{
    const unsigned tail = *ring.tail, slot = tail & *ring.mask;
    struct io_uring_sqe *request = &ring.requests[slot];
    int result;

    memset(request, 0, sizeof(*request));
    request->opcode = (uint8_t)operation;
    request->fd = socket;
    request->addr = (uintptr_t)data;
    request->len = length;
    request->buf_index = range;
    ring.array[slot] = slot;
    __atomic_store_n(ring.tail, tail + 1, __ATOMIC_RELEASE);
    while (syscall(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    while (__atomic_load_n(ring.done_tail, __ATOMIC_ACQUIRE) == *ring.done) {
        syscall(SYS_io_uring_enter, ring.fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
    }
    result = ring.answers[*ring.done & *ring.done_mask].res;
    __atomic_store_n(ring.done, *ring.done + 1, __ATOMIC_RELEASE);
    return result;
}

/* ---- The map: the kernel is told of each range of memory, which gets a number. ---- */

static int tell_kernel(unsigned number, void *address, size_t size)
{
    struct iovec range = {address, size};
    struct io_uring_rsrc_update2 update;

    memset(&update, 0, sizeof(update));
    update.offset = number;
    update.data = (uintptr_t)&range;
    update.nr = 1;
    if (syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS_UPDATE, &update, sizeof(update)) != 1) {
        ring.refused = errno;
        return -1;
    }
    return 0;
}

static int add(void *context, void *address, size_t size, void **handle)
{
    (void)context;
    if (ring.n_ranges == RANGES || tell_kernel(ring.n_ranges, address, size) != 0) {
        return -1; /* the allocation that needs it fails */
    }
    *handle = (void *)(uintptr_t)ring.n_ranges++;
    return 0;
}

static void forget(void *context, void *address, size_t size, void *handle)
{
    (void)context;
    (void)address;
    (void)size;
    tell_kernel((unsigned)(uintptr_t)handle, NULL, 0);
}

/* ---- Client and server. ---- */

static struct sockaddr_in server_address;

/* Sends messages of many lengths, each ending with a line end, and checks what comes back. */
static void *client(void *result)
{
    static char out[MOST], in[MOST];
    const int peer = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(peer, (struct sockaddr *)&server_address, sizeof(server_address)) != 0) {
        result = NULL;
    }
    for (int round = 0; result != NULL && round < ROUNDS; round++) {
        const size_t length = (size_t)(round * 37 % (MOST - 1)) + 1;
        size_t got = 0;

        memset(out, 'a' + round % 26, length);
        out[length - 1] = '\n';
        if (write(peer, out, length) != (ssize_t)length) {
            result = NULL;
        }
        while (result != NULL && got < length) {
            const ssize_t more = read(peer, in + got, length - got);
            if (more <= 0) {
                result = NULL;
                break;
            }
            got += (size_t)more;
        }
        if (result != NULL && memcmp(in, out, length) != 0) {
            result = NULL;
        }
    }
    close(peer);
    return result;
}

/* By what number the kernel knows a vector's memory. */
static uint16_t range_of(struct memkind_map *map, const struct memkind_iovec *vector)
{
    struct memkind_range range = {NULL, 0, NULL};

    memkind_map_find(map, vector->data, &range);
    return (uint16_t)(uintptr_t)range.handle;
}

/* Sends a slice back, in two segments to show that they are references of their own. */
static int send_back(struct memkind_map *map, int peer, struct memkind_iovec *slice)
{
    struct memkind_iovec parts[2];
    const unsigned half = slice->length / 2;
    int failed;

    memset(parts, 0, sizeof(parts));
    failed = memkind_iovec_clone_segment(&parts[0], slice, 0, half) != 0 ||
             memkind_iovec_move_segment(&parts[1], slice, half, slice->length - half) != 0;
    for (int i = 0; i < 2 && !failed; i++) {
        const char *next = parts[i].data;
        unsigned left = parts[i].length;

        while (left > 0 && !failed) {
            const int sent = transfer(IORING_OP_WRITE_FIXED, peer, next, left, range_of(map, &parts[i]));

            failed = sent <= 0;
            next += sent;
            left -= (unsigned)sent;
        }
    }
    memkind_iovecs_release(parts, 2);
    return failed;
}

/* The kind: pinned, so that what the kernel knows stays where it is. */
static memkind_t pinned_kind(void)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = NULL;

    if (config != NULL) {
        memkind_config_set_options(config, MEMKIND_OPTION_PIN);
        memkind_config_set_slab_size(config, 2 << 20);
        memkind_config_set_name(config, "echo");
        if (memkind_create_with_config(config, &kind) != 0) {
            kind = NULL;
        }
        memkind_config_delete(config);
    }
    return kind;
}

int main(void)
{
    struct memkind_map *map;
    struct memkind_pool *pool;
    struct memkind_stream *stream;
    struct memkind_usage usage;
    socklen_t length = sizeof(server_address);
    const memkind_t kind = pinned_kind();
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    pthread_t thread;
    void *good = NULL;
    unsigned long bytes = 0;
    const int at_once = 1;
    int peer, got;

    if (start_ring() != 0) {
        printf("no io_uring: %s\n", strerror(errno));
        return 77;
    }
    server_address.sin_family = AF_INET;
    server_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (kind == NULL || memkind_map_create(add, forget, 1 << 30, NULL, &map) != 0 ||
        memkind_map_attach(map, kind) != 0 || memkind_pool_create(kind, 64 * 1024, 4096, 16, &pool) != 0 ||
        memkind_stream_create(pool, &stream) != 0) {
        fprintf(stderr, "cannot make buffers\n");
        return 1;
    }
    if (memkind_pool_prepare(pool, 1) != 0) {
        printf("buffers cannot be registered: %s\n", strerror(ring.refused)); /* RLIMIT_MEMLOCK, perhaps */
        return ring.refused != 0 ? 77 : 1;
    }
    if (bind(listener, (struct sockaddr *)&server_address, sizeof(server_address)) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&server_address, &length) != 0 ||
        pthread_create(&thread, NULL, client, &good) != 0 || (peer = accept(listener, NULL, NULL)) < 0 ||
        setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof(at_once)) != 0) {
        perror("socket");
        return 1;
    }
    do {
        struct memkind_iovec slice;

        /* How much will come is not known: reserve for the most, commit what came. */
        if (memkind_iovec_reserve(stream, MOST, 0, 1, &slice) != 1) {
            perror("memkind_iovec_reserve");
            return 1;
        }
        got = transfer(IORING_OP_READ_FIXED, peer, slice.data, slice.length, range_of(map, &slice));
        if (got > 0) {
            slice.length = (unsigned)got;
            if (memkind_iovec_commit(stream, 0, &slice, 1) != 0 || send_back(map, peer, &slice) != 0) {
                fprintf(stderr, "cannot send back\n");
                return 1;
            }
            bytes += (unsigned long)got;
        }
        memkind_iovec_release(&slice); /* empty once it has been sent */
    } while (got > 0);
    pthread_join(thread, &good);
    close(peer);
    close(listener);
    memkind_stream_destroy(stream);
    memkind_pool_get_usage(pool, &usage, sizeof(usage));
    printf("%lu bytes, %u ranges registered, %zu bytes still in use\n", bytes, ring.n_ranges, usage.in_use);
    if (got < 0) {
        fprintf(stderr, "cannot receive: %s\n", strerror(-got));
    }
    if (got < 0 || good == NULL || usage.in_use != 0 || memkind_pool_destroy(pool) != 0) {
        return 1;
    }
    memkind_map_destroy(map);
    return memkind_destroy_kind(kind) != 0;
}
