/* SPDX-License-Identifier: BSD-2-Clause */
/* As much of io_uring as an example needs, by its system calls: a ring, fixed buffers that are registered one at a time,
 * reads and writes with them. One thread at a time, but for ring_set_buffer(). */
#ifndef MEMKIND_EXAMPLE_URING_H
#define MEMKIND_EXAMPLE_URING_H

#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct ring {
    int fd;
    unsigned *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
    struct io_uring_sqe *sqes;
    struct io_uring_cqe *cqes;
    unsigned queued;
};

/* A ring for up to `entries` operations at a time; -1 with errno if the kernel has or allows none. */
static inline int ring_open(struct ring *ring, unsigned entries)
{
    struct io_uring_params params;
    size_t size, more;
    char *queues;

    memset(&params, 0, sizeof(params));
    ring->queued = 0;
    ring->fd = (int)syscall(SYS_io_uring_setup, entries, &params);
    if (ring->fd < 0) {
        return -1;
    }
    if (!(params.features & IORING_FEAT_SINGLE_MMAP)) {
        close(ring->fd);
        errno = ENOSYS;
        return -1;
    }
    size = params.sq_off.array + params.sq_entries * sizeof(unsigned);
    more = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
    queues = mmap(NULL, size > more ? size : more, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQ_RING);
    ring->sqes = mmap(NULL, params.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
                      IORING_OFF_SQES);
    if (queues == MAP_FAILED || (void *)ring->sqes == MAP_FAILED) {
        return -1;
    }
    ring->sq_tail = (unsigned *)(void *)(queues + params.sq_off.tail);
    ring->sq_mask = (unsigned *)(void *)(queues + params.sq_off.ring_mask);
    ring->sq_array = (unsigned *)(void *)(queues + params.sq_off.array);
    ring->cq_head = (unsigned *)(void *)(queues + params.cq_off.head);
    ring->cq_tail = (unsigned *)(void *)(queues + params.cq_off.tail);
    ring->cq_mask = (unsigned *)(void *)(queues + params.cq_off.ring_mask);
    ring->cqes = (struct io_uring_cqe *)(void *)(queues + params.cq_off.cqes);
    return 0;
}

/* Room for `n` fixed buffers, none of which is there yet; -1 before Linux 5.19. */
static inline int ring_make_room(struct ring *ring, unsigned n)
{
    struct io_uring_rsrc_register room;

    memset(&room, 0, sizeof(room));
    room.nr = n;
    room.flags = IORING_RSRC_REGISTER_SPARSE;
    return (int)syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS2, &room, sizeof(room));
}

/* Registers memory as the fixed buffer with this index; NULL takes it away. -1 with errno if the kernel refuses. */
static inline int ring_set_buffer(struct ring *ring, unsigned index, void *address, size_t size)
{
    struct iovec buffer = {address, size};
    struct io_uring_rsrc_update2 update;

    memset(&update, 0, sizeof(update));
    update.offset = index;
    update.data = (uintptr_t)&buffer;
    update.nr = 1;
    return syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS_UPDATE, &update, sizeof(update)) == 1 ? 0 : -1;
}

/* Queues a read or write (IORING_OP_READ_FIXED, IORING_OP_WRITE_FIXED) of memory within a fixed buffer. */
static inline void ring_queue(struct ring *ring, unsigned char operation, int fd, void *data, size_t size, uint64_t offset,
                              unsigned index, uint64_t mark)
{
    const unsigned tail = *ring->sq_tail, place = tail & *ring->sq_mask;
    struct io_uring_sqe *sqe = &ring->sqes[place];

    memset(sqe, 0, sizeof(*sqe));
    sqe->opcode = operation;
    sqe->fd = fd;
    sqe->addr = (uintptr_t)data;
    sqe->len = (unsigned)size;
    sqe->off = offset;
    sqe->buf_index = (uint16_t)index;
    sqe->user_data = mark;
    ring->sq_array[place] = place;
    __atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
    ring->queued++;
}

/* Starts what is queued, and waits until an operation has ended: its result, and its mark. */
static inline int ring_wait(struct ring *ring, uint64_t *mark)
{
    const struct io_uring_cqe *cqe;
    unsigned head = *ring->cq_head;
    int result;

    *mark = 0;
    while (ring->queued > 0 || head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE)) {
        const unsigned wait = head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE);
        const long started =
            syscall(SYS_io_uring_enter, ring->fd, ring->queued, wait, IORING_ENTER_GETEVENTS, NULL, (size_t)0);

        if (started < 0 && errno != EINTR) {
            return -errno;
        }
        ring->queued -= started > 0 ? (unsigned)started : 0;
    }
    cqe = &ring->cqes[head & *ring->cq_mask];
    *mark = cqe->user_data;
    result = cqe->res;
    __atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
    return result;
}

#endif
