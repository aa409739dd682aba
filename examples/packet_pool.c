/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets from a pool: one thread fills bursts of them, another works on them and puts them back. Neither has to be
 * registered, and the pool's limit is what keeps the first from running ahead.
 *
 *   gcc packet_pool.c -lmemkind -lpthread
 */
#include <memkind_ext.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PACKETS = 1024, BURST = 32, BURSTS = 10000 };

struct packet {
    unsigned length;
    unsigned char data[2044];
};

/* A ring with room for all packets: the pool's limit keeps it from running over. */
static struct packet *ring[PACKETS];
static unsigned n_in, n_out;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct memkind_pool *pool;

static void *receive(void *unused)
{
    struct packet *burst[BURST];
    int n = 0;

    while (n < BURSTS) {
        if (memkind_pool_get_many(pool, (void **)burst, BURST) == 0) {
            continue; /* all packets are on their way */
        }
        for (int i = 0; i < BURST; i++) {
            burst[i]->length = 64;
            memset(burst[i]->data, n & 0xff, burst[i]->length);
        }
        pthread_mutex_lock(&lock);
        for (int i = 0; i < BURST; i++) {
            ring[n_in++ % PACKETS] = burst[i];
        }
        pthread_mutex_unlock(&lock);
        n++;
    }
    return unused;
}

int main(void)
{
    pthread_t receiver;
    unsigned long sum = 0;
    unsigned n = 0;

    if (memkind_pool_create(MEMKIND_REGULAR, sizeof(struct packet), 64, PACKETS, &pool) != 0 ||
        memkind_pool_prepare(pool, PACKETS) != 0 || pthread_create(&receiver, NULL, receive, NULL) != 0) {
        fprintf(stderr, "no pool\n");
        return 1;
    }
    while (n < BURSTS * BURST) {
        struct packet *packet = NULL;

        pthread_mutex_lock(&lock);
        if (n_out != n_in) {
            packet = ring[n_out++ % PACKETS];
        }
        pthread_mutex_unlock(&lock);
        if (packet != NULL) {
            sum += packet->data[packet->length - 1];
            memkind_pool_put(pool, packet);
            n++;
        }
    }
    pthread_join(receiver, NULL);
    printf("%u packets, sum %lu\n", n, sum);
    return memkind_pool_destroy(pool);
}
