/* SPDX-License-Identifier: BSD-2-Clause */
/* What the stress test knows about kinds and blocks, and the operations that keep it true. */
#ifndef MEMKIND_STRESS_MODEL_H
#define MEMKIND_STRESS_MODEL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <memkind.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { MOST_BLOCKS = 1 << 16, MOST_KINDS = 64 };

/* A thread of the test, and what it is about to do, for the report of a failure. */
struct thread {
    uint64_t random, seed, number;
    const char *what;
    bool child; /* of a fork */
};

/* A kind. A thread that uses it counts in `users`; it can be replaced only while that is 0. */
struct kind {
    char name[40];
    memkind_t kind;
    bool dynamic, file, huge;
    size_t limit; /* of a file or an area; 0: none */
    void *area;   /* of a fixed kind */
    size_t area_size;
    unsigned generation;
    atomic_int users; /* -1: no thread may enter */
};

/* A block. `busy` is held by who works on it. */
struct block {
    atomic_bool busy;
    unsigned char *address; /* NULL: none */
    size_t size, filled;    /* asked for; bytes with the pattern, up to the usable size; 0: unknown */
    uint64_t pattern;
    unsigned kind, generation;
};

extern struct block blocks[MOST_BLOCKS];
extern struct kind kinds[MOST_KINDS];
extern unsigned n_blocks, n_kinds;
extern bool may_renew, may_refill, may_count, may_be_wrong;
extern _Atomic uint64_t blocks_made, blocks_moved, kinds_renewed;

__attribute__((format(printf, 4, 5), noreturn)) void failed(const struct thread *thread, const char *file, int line,
                                                           const char *format, ...);

#define REQUIRE(thread, condition, ...)                         \
    do {                                                        \
        if (!(condition)) {                                     \
            failed(thread, __FILE__, __LINE__, __VA_ARGS__);    \
        }                                                       \
    } while (0)

struct thread new_thread(uint64_t seed, uint64_t number);

/* A number from 0 to one_of - 1. */
uint64_t chance(struct thread *thread, uint64_t one_of);

bool try_lock_block(struct block *block);
void unlock_block(struct block *block);
bool enter_kind(unsigned k);
void leave_kind(unsigned k);

/* The static kinds that exist here, and some dynamic ones. */
void make_kinds(struct thread *thread, bool dynamic);
void destroy_kind(struct thread *thread, unsigned k);
/* Destroys a dynamic kind, with its blocks or after freeing them, and makes another one in its place. */
void renew_kind(struct thread *thread);
/* The statistics of a kind without blocks say so, and its memory can be had again. */
void check_empty(struct thread *thread, unsigned k);

/* All of these with the block locked and its kind entered. */
void make_block(struct thread *thread, struct block *block);
void check_block(struct thread *thread, const struct block *block);
void ask_block(struct thread *thread, struct block *block);
void resize_block(struct thread *thread, struct block *block);
void move_block(struct thread *thread, struct block *block);
void free_block(struct thread *thread, struct block *block);

#endif
