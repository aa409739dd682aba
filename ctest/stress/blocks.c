/* SPDX-License-Identifier: BSD-2-Clause */
/* The operations on one block: every function of the heap, and what must be true afterwards. */
#include "model.h"

struct block blocks[MOST_BLOCKS];
unsigned n_blocks = 4096;
bool may_be_wrong = true;
_Atomic uint64_t blocks_made, blocks_moved;

bool try_lock_block(struct block *block)
{
    return !atomic_exchange(&block->busy, true);
}

void unlock_block(struct block *block)
{
    atomic_store(&block->busy, false);
}

/* ---- Contents: 8-byte words that depend on the pattern and the place. Of a large block the beginning,
 * the end and a word of each KiB, so that the test does more than writing; of a huge one a word of each 4 MiB and a
 * little more, so that most of it stays untouched. ---- */

enum { ALL_UP_TO = 16384, EDGE = 512, STRIDE = 1024, HUGE_FROM = 24 << 20, HUGE_STRIDE = (4 << 20) + 1024 };

static uint64_t word(uint64_t pattern, size_t at)
{
    return (pattern ^ at) * 0x9e3779b97f4a7c15u;
}

/* The place after `at` that has a word, of those in a block of `size` bytes. */
static size_t next_word(size_t at, size_t size)
{
    if (size <= ALL_UP_TO || at + 8 < EDGE || at + EDGE >= size) {
        return at + 8;
    }
    size_t stride = size >= HUGE_FROM ? HUGE_STRIDE : STRIDE;
    size_t next = at - at % stride + stride;
    size_t end = (size - EDGE) / 8 * 8;
    return next < end ? next : at < end ? end : at + 8;
}

static void fill(struct block *block)
{
    block->pattern = block->pattern * 6364136223846793005u + 1;
    for (size_t at = 0; at < block->filled; at = next_word(at, block->filled)) {
        uint64_t value = word(block->pattern, at);
        memcpy(block->address + at, &value, block->filled - at < 8 ? block->filled - at : 8);
    }
}

/* The first `size` bytes at `address` are those of the block. */
static void check_contents(struct thread *thread, const struct block *block, const unsigned char *address, size_t size,
                           const char *when)
{
    for (size_t at = 0; at < size; at = next_word(at, block->filled)) {
        uint64_t value = word(block->pattern, at), got = 0;
        size_t bytes = size - at < 8 ? size - at : 8;
        memcpy(&got, address + at, bytes);
        if (memcmp(&got, &value, bytes) != 0) {
            failed(thread, __FILE__, __LINE__, "%s: %s: block %p of %zu bytes, byte %zu: %#llx instead of %#llx",
                   kinds[block->kind].name, when, (const void *)address, block->size, at, (unsigned long long)got,
                   (unsigned long long)value);
        }
    }
}

/* ---- Choices ---- */

static bool may_be_full(const struct kind *kind)
{
    return kind->limit != 0 || kind->huge;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t any_size(struct thread *thread, const struct kind *kind)
{
    uint64_t r = chance(thread, 2000);
    if (r < 1500) {
        return 1 + chance(thread, (uint64_t)16 << chance(thread, 7));
    }
    if (r < 1900 || kind->huge) {
        return 1 + chance(thread, 16384);
    }
    if (r < 1990) {
        return 1 + chance(thread, 100000);
    }
    if (r < 1999 || kind->limit != 0 || chance(thread, 10) != 0) {
        return 1 + chance(thread, 2 << 20);
    }
    if (kind->dynamic || chance(thread, 4) != 0) {
        return 1 + chance(thread, 20 << 20);
    }
    return 1 + chance(thread, (uint64_t)16 << 20 << chance(thread, 7));
}

/* Whether an anonymous kind may have blocks of up to 1 GiB. */
static bool may_be_huge(const struct kind *kind)
{
    return !kind->dynamic && !kind->huge;
}

/* The kind to name in a call about a block: its own, none, or (with a lock on it) another one. */
struct named {
    memkind_t kind;
    int entered; /* the other kind's number, or -1 */
};

static struct named any_name(struct thread *thread, const struct block *block)
{
    struct named named = {kinds[block->kind].kind, -1};
    uint64_t r = chance(thread, 8);
    if (r < 3) {
        named.kind = NULL;
    } else if (r == 3 && may_be_wrong) {
        unsigned other = (unsigned)chance(thread, n_kinds);
        if (other != block->kind && enter_kind(other)) {
            named.kind = kinds[other].kind;
            named.entered = (int)other;
        }
    }
    return named;
}

static void done_with(struct named named)
{
    if (named.entered >= 0) {
        leave_kind((unsigned)named.entered);
    }
}

/* ---- Operations ---- */

/* What is true of each live block, at any time. Returns the usable size. */
static size_t check_known(struct thread *thread, const struct block *block)
{
    const struct kind *kind = &kinds[block->kind];
    size_t usable = memkind_malloc_usable_size(chance(thread, 2) ? NULL : kind->kind, block->address);
    REQUIRE(thread, usable >= block->size && usable >= block->filled, "%s: usable size of %p is %zu, asked for %zu",
            kind->name, (void *)block->address, usable, block->size);
    memkind_t detected = memkind_detect_kind(block->address);
    REQUIRE(thread, detected == kind->kind, "%s: the kind of %p (%zu bytes) is said to be %p, not %p", kind->name,
            (void *)block->address, block->size, (void *)detected, (void *)kind->kind);
    return usable;
}

/* The block is new, or has changed its size: remember it, and write all over it. */
static void took(struct thread *thread, struct block *block, void *address, size_t size)
{
    const struct kind *kind = &kinds[block->kind];
    block->address = address;
    block->size = size;
    block->filled = 0;
    REQUIRE(thread, ((uintptr_t)address & 7) == 0 && (size < 16 || ((uintptr_t)address & 15) == 0),
            "%s: %zu bytes at %p", kind->name, size, address);
    if (kind->area != NULL) {
        REQUIRE(thread,
                block->address >= (unsigned char *)kind->area &&
                    block->address + size <= (unsigned char *)kind->area + kind->area_size,
                "%s: %zu bytes at %p, outside of the area", kind->name, size, address);
    }
    size_t usable = check_known(thread, block);
    block->filled = chance(thread, 4) == 0 ? usable : size;
    block->pattern += thread->number + (uintptr_t)address;
    fill(block);
}

void make_block(struct thread *thread, struct block *block)
{
    const struct kind *kind = &kinds[block->kind];
    size_t size = any_size(thread, kind), alignment = 0;
    void *p = NULL;
    thread->what = "allocating";
    switch (chance(thread, 6)) {
    case 0:
        thread->what = "calloc";
        p = memkind_calloc(kind->kind, 1, size);
        for (size_t at = 0; p != NULL && at < size; at += size < HUGE_FROM || at % 4096 != 0 ? 1 : 409600) {
            REQUIRE(thread, ((unsigned char *)p)[at] == 0, "%s: byte %zu of calloc(%zu) at %p is not zero", kind->name,
                    at, size, p);
        }
        break;
    case 1: {
        thread->what = "posix_memalign";
        alignment = sizeof(void *) << chance(thread, chance(thread, 8) == 0 ? 14 : 8);
        int error = memkind_posix_memalign(kind->kind, &p, alignment, size);
        REQUIRE(thread, (error == 0) == (p != NULL), "%s: posix_memalign: %d and %p", kind->name, error, p);
        REQUIRE(thread, ((uintptr_t)p & (alignment - 1)) == 0, "%s: %zu bytes aligned to %zu at %p", kind->name, size,
                alignment, p);
        break;
    }
    case 2:
        thread->what = "realloc of NULL";
        p = memkind_realloc(kind->kind, NULL, size);
        break;
    default:
        thread->what = "malloc";
        p = memkind_malloc(kind->kind, size);
        break;
    }
    if (p == NULL) {
        REQUIRE(thread, may_be_full(kind), "%s: no %zu bytes: %s", kind->name, size, strerror(errno));
        return;
    }
    blocks_made++;
    took(thread, block, p, size);
}

void check_block(struct thread *thread, const struct block *block)
{
    thread->what = "checking";
    check_known(thread, block);
    check_contents(thread, block, block->address, block->filled, "before");
}

void ask_block(struct thread *thread, struct block *block)
{
    thread->what = "asking";
    struct named named = any_name(thread, block);
    size_t usable = memkind_malloc_usable_size(named.kind, block->address);
    done_with(named);
    REQUIRE(thread, usable >= block->filled, "%s: usable size %zu of %p, which had %zu", kinds[block->kind].name,
            usable, (void *)block->address, block->filled);
    block->filled = usable;
    fill(block);
}

void resize_block(struct thread *thread, struct block *block)
{
    const struct kind *kind = &kinds[block->kind];
    size_t size = any_size(thread, kind);
    thread->what = "realloc";
    if (chance(thread, 3) == 0) {
        size = block->size + 1 + chance(thread, block->size / 2 + 1);
    }
    if (chance(thread, 40) == 0) {
        size = 0;
    }
    /* The limits of any_size() hold for growth, too. */
    struct named named = any_name(thread, block);
    const bool own = named.entered < 0;
    if (size > ((size_t)24 << 20) && !(own && may_be_huge(kind) && size <= (size_t)1 << 30)) {
        size = 1;
    }
    /* Over the border of 8 MiB, and there and back. */
    if (own && may_be_huge(kind) && block->size > ((size_t)6 << 20) && chance(thread, 2) == 0) {
        size = chance(thread, 2) == 0 ? ((size_t)7 << 20) + chance(thread, 2 << 20) : 2 * smaller(block->size, 1 << 28);
    }
    void *p = memkind_realloc(named.kind, block->address, size);
    if (size == 0) {
        done_with(named);
        REQUIRE(thread, p == NULL, "%s: realloc to nothing gave %p", kind->name, p);
        block->address = NULL;
        return;
    }
    if (p == NULL) {
        REQUIRE(thread, may_be_full(kind) || (named.entered >= 0 && may_be_full(&kinds[named.entered])),
                "%s: realloc of %zu to %zu bytes: %s", kind->name, block->size, size, strerror(errno));
        check_contents(thread, block, block->address, block->filled, "after a realloc that failed");
        done_with(named);
        return;
    }
    check_contents(thread, block, p, smaller(size, smaller(block->size, block->filled)), "after realloc");
    if (named.entered >= 0) {
        /* The kind that is named is the one of the result. */
        block->kind = (unsigned)named.entered;
        block->generation = kinds[named.entered].generation;
    }
    took(thread, block, p, size);
    done_with(named);
}

void move_block(struct thread *thread, struct block *block)
{
    thread->what = "defrag_reallocate";
    struct named named = any_name(thread, block);
    void *p = memkind_defrag_reallocate(named.kind, block->address);
    done_with(named);
    if (p != NULL) {
        check_contents(thread, block, p, smaller(block->size, block->filled), "after defrag_reallocate");
        took(thread, block, p, block->size);
        blocks_moved++;
    }
}

void free_block(struct thread *thread, struct block *block)
{
    thread->what = "free";
    struct named named = any_name(thread, block);
    void *p = block->address;
    block->address = NULL;
    errno = 4711;
    memkind_free(named.kind, p);
    REQUIRE(thread, errno == 4711, "%s: free set errno to %d", kinds[block->kind].name, errno);
    done_with(named);
}
