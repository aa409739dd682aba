/* SPDX-License-Identifier: BSD-2-Clause */
/* libevpl's functions for buffers, on streams and vectors of memkind_ext.h; EXPERIMENTAL.
 *
 * For programs written against these names that have no libevpl: no event loop, no network. C99 or C++11. It is found
 * as "evpl/evpl.h" with -I$includedir/memkind/compat, and as "evpl.h" with -I$includedir/memkind/compat/evpl. Both
 * generations of evpl_iovec_alloc() and evpl_iovec_release() are there, told apart by the number of arguments. See
 * memkind_iovec(3) for what each does.
 */
#ifndef MEMKIND_COMPAT_EVPL_H
#define MEMKIND_COMPAT_EVPL_H

#ifdef EVPL_INCLUDED
#error "the real libevpl is here: its header and this one have the same names"
#endif

#include <memkind_ext.h>
#include <stdlib.h>

/** A stream under libevpl's name; see evpl_from_stream(). */
struct evpl;

/** The same 24 bytes as struct memkind_iovec. */
struct evpl_iovec {
    void *data;
    unsigned int length;
    unsigned int __private1;  /* do not touch */
    unsigned long __private2; /* do not touch */
};

/** Vectors for several threads; 0 for one thread. */
#define EVPL_IOVEC_FLAG_SHARED 1u

/** What to pass for `evpl`: the stream, which stays the caller's. */
static inline struct evpl *evpl_from_stream(struct memkind_stream *stream)
{
    return (struct evpl *)stream;
}

static inline struct memkind_stream *evpl_to_stream(struct evpl *evpl)
{
    return (struct memkind_stream *)evpl;
}

static inline struct memkind_iovec *evpl_to_iovec(struct evpl_iovec *iovec)
{
    return (struct memkind_iovec *)iovec;
}

/* Six arguments: with flags. */
static inline int evpl_iovec_alloc_6(struct evpl *evpl, unsigned int length, unsigned int alignment,
                                     unsigned int max_iovecs, unsigned int flags, struct evpl_iovec *r_iovec)
{
    return memkind_iovec_alloc(evpl_to_stream(evpl), length, alignment, max_iovecs, flags, evpl_to_iovec(r_iovec));
}

/* Five arguments, the older form: references may be exchanged between threads. */
static inline int evpl_iovec_alloc_5(struct evpl *evpl, unsigned int length, unsigned int alignment,
                                     unsigned int max_iovecs, struct evpl_iovec *r_iovec)
{
    return evpl_iovec_alloc_6(evpl, length, alignment, max_iovecs, EVPL_IOVEC_FLAG_SHARED, r_iovec);
}

static inline int evpl_iovec_reserve(struct evpl *evpl, unsigned int length, unsigned int alignment,
                                     unsigned int max_vec, struct evpl_iovec *r_iovec)
{
    return memkind_iovec_reserve(evpl_to_stream(evpl), length, alignment, max_vec, evpl_to_iovec(r_iovec));
}

/* What cannot be right aborts, as there: the functions have no result. */
static inline void evpl_iovec_commit(struct evpl *evpl, unsigned int alignment, struct evpl_iovec *iovecs, int niovs)
{
    if (memkind_iovec_commit(evpl_to_stream(evpl), alignment, evpl_to_iovec(iovecs), niovs) != 0) {
        abort();
    }
}

static inline void evpl_iovec_addref(struct evpl_iovec *iovec)
{
    memkind_iovec_addref(evpl_to_iovec(iovec));
}

/* One argument, the older form. */
static inline void evpl_iovec_release_1(struct evpl_iovec *iovec)
{
    memkind_iovec_release(evpl_to_iovec(iovec));
}

static inline void evpl_iovec_release_2(struct evpl *evpl, struct evpl_iovec *iovec)
{
    (void)evpl;
    memkind_iovec_release(evpl_to_iovec(iovec));
}

static inline void evpl_iovecs_release(struct evpl *evpl, struct evpl_iovec *iov, int niov)
{
    (void)evpl;
    memkind_iovecs_release(evpl_to_iovec(iov), niov);
}

static inline void evpl_iovec_clone(struct evpl_iovec *dst, struct evpl_iovec *src)
{
    memkind_iovec_clone(evpl_to_iovec(dst), evpl_to_iovec(src));
}

static inline void evpl_iovec_clone_segment(struct evpl_iovec *dst, const struct evpl_iovec *src, unsigned int offset,
                                            unsigned int length)
{
    if (memkind_iovec_clone_segment(evpl_to_iovec(dst), (const struct memkind_iovec *)src, offset, length) != 0) {
        abort();
    }
}

static inline void evpl_iovec_move(struct evpl_iovec *dst, struct evpl_iovec *src)
{
    memkind_iovec_move(evpl_to_iovec(dst), evpl_to_iovec(src));
}

static inline void evpl_iovec_move_segment(struct evpl_iovec *dst, struct evpl_iovec *src, unsigned int offset,
                                           unsigned int length)
{
    if (memkind_iovec_move_segment(evpl_to_iovec(dst), evpl_to_iovec(src), offset, length) != 0) {
        abort();
    }
}

static inline void *evpl_iovec_data(const struct evpl_iovec *iovec)
{
    return iovec->data;
}

static inline unsigned int evpl_iovec_length(const struct evpl_iovec *iovec)
{
    return iovec->length;
}

static inline void evpl_iovec_set_length(struct evpl_iovec *iovec, unsigned int length)
{
    iovec->length = length;
}

/* Chooses by the number of arguments. */
#define EVPL_OF_6(a, b, c, d, e, f, name, ...) name
#define EVPL_OF_2(a, b, name, ...) name
#define evpl_iovec_alloc(...) \
    EVPL_OF_6(__VA_ARGS__, evpl_iovec_alloc_6, evpl_iovec_alloc_5, 0, 0, 0, 0)(__VA_ARGS__)
#define evpl_iovec_release(...) EVPL_OF_2(__VA_ARGS__, evpl_iovec_release_2, evpl_iovec_release_1, 0)(__VA_ARGS__)

#endif
