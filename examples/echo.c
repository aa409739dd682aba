/* SPDX-License-Identifier: BSD-2-Clause */
/* An echo server that copies nothing: what it receives lies in vectors, of which it sends segments back; the buffer
 * goes back into the pool when the last one is sent. It talks to a client in the same program.
 *
 *   gcc echo.c -lmemkind -lpthread
 */
#include <memkind_ext.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROUNDS = 2000, MOST = 4096 };

static int sockets[2];

/* Sends messages of many lengths, each ending with a line end, and checks what comes back. */
static void *client(void *result)
{
    char out[MOST], in[MOST];

    for (int round = 0; round < ROUNDS; round++) {
        const size_t length = (size_t)(round * 37 % (MOST - 1)) + 1;
        size_t got = 0;

        memset(out, 'a' + round % 26, length);
        out[length - 1] = '\n';
        if (write(sockets[0], out, length) != (ssize_t)length) {
            return NULL;
        }
        while (got < length) {
            const ssize_t more = read(sockets[0], in + got, length - got);
            if (more <= 0) {
                return NULL;
            }
            got += (size_t)more;
        }
        if (memcmp(in, out, length) != 0) {
            return NULL;
        }
    }
    shutdown(sockets[0], SHUT_WR);
    return result;
}

/* Sends a slice back, in two segments to show that they are references of their own. */
static int send_back(struct memkind_iovec *slice)
{
    struct memkind_iovec parts[2];
    const unsigned half = slice->length / 2;
    int sent;

    memset(parts, 0, sizeof(parts));
    sent = memkind_iovec_clone_segment(&parts[0], slice, 0, half);

    if (sent == 0) {
        sent = memkind_iovec_move_segment(&parts[1], slice, half, slice->length - half);
    }
    for (int i = 0; i < 2 && sent == 0; i++) {
        if (write(sockets[1], parts[i].data, parts[i].length) != (ssize_t)parts[i].length) {
            sent = -1;
        }
    }
    memkind_iovecs_release(parts, 2);
    return sent;
}

int main(void)
{
    struct memkind_pool *pool;
    struct memkind_stream *stream;
    struct memkind_usage usage;
    pthread_t thread;
    void *good = NULL;
    unsigned long bytes = 0;

    if (memkind_pool_create(MEMKIND_REGULAR, 64 * 1024, 4096, 16, &pool) != 0 ||
        memkind_stream_create(pool, &stream) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0 ||
        pthread_create(&thread, NULL, client, &good) != 0) {
        fprintf(stderr, "cannot start\n");
        return 1;
    }
    for (;;) {
        struct memkind_iovec slice;
        ssize_t got;

        /* How much will come is not known: reserve for the most, commit what came. */
        if (memkind_iovec_reserve(stream, MOST, 0, 1, &slice) != 1) {
            perror("memkind_iovec_reserve");
            return 1;
        }
        got = read(sockets[1], slice.data, slice.length);
        if (got <= 0) {
            memkind_iovec_release(&slice);
            break;
        }
        slice.length = (unsigned)got;
        if (memkind_iovec_commit(stream, 0, &slice, 1) != 0 || send_back(&slice) != 0) {
            perror("echo");
            return 1;
        }
        bytes += (unsigned long)got;
    }
    pthread_join(thread, &good);
    memkind_stream_destroy(stream);
    memkind_pool_get_usage(pool, &usage, sizeof(usage));
    printf("%lu bytes, %zu slabs, %zu bytes still in use\n", bytes, usage.n_ranges, usage.in_use);
    return good == NULL || usage.in_use != 0 || memkind_pool_destroy(pool) != 0;
}
