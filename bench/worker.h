/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef MEMKIND_BENCH_WORKER_H
#define MEMKIND_BENCH_WORKER_H

#include <stddef.h>
#include <stdint.h>

/* An allocator's functions: those with a kind, or those without. */
struct target {
    void *kind; /* NULL: an allocator without kinds */
    void *(*kind_malloc)(void *, size_t);
    void (*kind_free)(void *, void *);
    void *(*kind_realloc)(void *, void *, size_t);
    size_t (*kind_usable)(void *, void *);
    void *(*kind_detect)(void *);
    void *(*plain_malloc)(size_t);
    void (*plain_free)(void *);
    void *(*plain_realloc)(void *, size_t);
    size_t (*plain_usable)(void *);
};

/* Runs n operations, and returns how many it really were. */
typedef uint64_t kernel(const struct target *, size_t size, uint64_t n);

/* The target of that name; ends the program if the loaded libraries have none. */
struct target make_target(const char *name);

__attribute__((format(printf, 1, 2), noreturn)) void fatal(const char *format, ...);

/* A linear congruential generator: 31 random bits. */
uint32_t next_random(uint64_t *state);

static inline void require(int condition, const char *what)
{
    if (__builtin_expect(!condition, 0)) {
        fatal("%s failed", what);
    }
}

/* A block as a program uses it: it is there, and written to. */
static inline char *touched(void *p)
{
    require(p != NULL, "allocation");
    *(volatile char *)p = 1;
    return p;
}

static inline void touch_pages(char *p, size_t size)
{
    for (size_t at = 0; at < size; at += 4096) {
        ((volatile char *)p)[at] = 1;
    }
}

#endif
