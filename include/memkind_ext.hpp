/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_ext.h for C++11 and later: handles that end what they hold, a buffer that releases itself and, from C++17
 * on, std::pmr::memory_resource over a kind and over a region. EXPERIMENTAL. A failed creation throws
 * libmemkind::error; get, alloc and their like return null pointers as the C functions do, or say otherwise. In a program
 * that is compiled with -fno-exceptions, a line on standard error and abort(3) stand for what would be thrown. */
#pragma once

#include <cstddef>
#include <new>
#include <stdexcept>
#include <utility>

#include "memkind_ext.h"
#include "memkind/detail/failure.hpp"

#if __cplusplus >= 201703L
#if __has_include(<memory_resource>)
#include <memory_resource>
#define LIBMEMKIND_HAS_PMR 1
#endif
#endif

namespace libmemkind
{

/** A function has failed: `code` is its MEMKIND_ERROR_*. */
class error : public std::runtime_error
{
public:
    explicit error(int code) : std::runtime_error(text(code).message), code_(code) {}
    int code() const noexcept { return code_; }

private:
    struct text {
        explicit text(int code) { memkind_error_message(code, message, sizeof(message)); }
        char message[MEMKIND_ERROR_MESSAGE_SIZE];
    };
    int code_;
};

namespace detail
{
inline void check(int code)
{
    if (code != 0) {
        detail::fail(error(code));
    }
}

/** Holds one thing, or nothing; may be moved, not copied. `End` ends it. */
template <class T, class End>
class handle
{
public:
    handle() noexcept : held_(nullptr) {}
    explicit handle(T held) noexcept : held_(held) {}
    handle(handle &&other) noexcept : held_(other.release()) {}
    handle &operator=(handle &&other) noexcept
    {
        if (this != &other) {
            reset(other.release());
        }
        return *this;
    }
    handle(const handle &) = delete;
    handle &operator=(const handle &) = delete;
    ~handle() { reset(); }

    /** What the C functions take. */
    T get() const noexcept { return held_; }
    explicit operator bool() const noexcept { return held_ != nullptr; }
    /** Gives it away: it is the caller's to end. */
    T release() noexcept
    {
        T held = held_;
        held_ = nullptr;
        return held;
    }
    /** Ends what is held, and holds something else. */
    void reset(T held = nullptr) noexcept
    {
        if (held_ != nullptr) {
            End()(held_);
        }
        held_ = held;
    }

private:
    T held_;
};

struct end_kind {
    void operator()(memkind_t kind) const noexcept { memkind_destroy_kind(kind); }
};
struct end_config {
    void operator()(struct memkind_config *config) const noexcept { memkind_config_delete(config); }
};
struct end_map {
    void operator()(struct memkind_map *map) const noexcept { memkind_map_destroy(map); }
};
struct end_pool {
    void operator()(struct memkind_pool *pool) const noexcept { memkind_pool_destroy(pool); }
};
struct end_stream {
    void operator()(struct memkind_stream *stream) const noexcept { memkind_stream_destroy(stream); }
};
struct end_region {
    void operator()(struct memkind_region *region) const noexcept { memkind_region_destroy(region); }
};
} // namespace detail

/** A kind that the program has made; for instance `unique_kind kind(handle)` after memkind_create_nodes(). */
using unique_kind = detail::handle<memkind_t, detail::end_kind>;
/** Settings of memkind_config_new(). */
using unique_config = detail::handle<struct memkind_config *, detail::end_config>;

/** The description of a kind; see memkind_config(3): `config().options(MEMKIND_OPTION_PIN).alignment(64).make()`.
 *  Strings that it is given are not copied. The function `exhausted` is C's: it must not throw. */
class config : public detail::handle<struct memkind_config *, detail::end_config>
{
public:
    config() : handle(memkind_config_new())
    {
        if (get() == nullptr) {
            detail::fail(std::bad_alloc());
        }
    }
    config &path(const char *dir) noexcept { return memkind_config_set_path(get(), dir), *this; }
    config &limit(std::size_t bytes) noexcept { return memkind_config_set_size(get(), bytes), *this; }
    config &policy(memkind_mem_usage_policy policy) noexcept { return memkind_config_set_memory_usage_policy(get(), policy), *this; }
    config &options(unsigned options) noexcept { return memkind_config_set_options(get(), options), *this; }
    config &nodes(const char *list, memkind_nodes_policy_t policy) noexcept { return memkind_config_set_nodes(get(), list, policy), *this; }
    config &page_size(std::size_t bytes, bool required = false) noexcept { return memkind_config_set_page_size(get(), bytes, required), *this; }
    config &alignment(std::size_t bytes) noexcept { return memkind_config_set_alignment(get(), bytes), *this; }
    config &slab_size(std::size_t bytes) noexcept { return memkind_config_set_slab_size(get(), bytes), *this; }
    config &fallback(memkind_t kind) noexcept { return memkind_config_set_fallback(get(), kind), *this; }
    config &exhausted(int (*function)(void *context, memkind_t kind, std::size_t size), void *context) noexcept { return memkind_config_set_exhausted(get(), function, context), *this; }
    config &name(const char *text) noexcept { return memkind_config_set_name(get(), text), *this; }
    /** The kind; throws libmemkind::error. */
    unique_kind make() const
    {
        memkind_t kind = nullptr;
        detail::check(memkind_create_with_config(get(), &kind));
        return unique_kind(kind);
    }
};

/** A map; see memkind_map(3). Its functions are C's: they must not throw. */
class map : public detail::handle<struct memkind_map *, detail::end_map>
{
public:
    using add_function = int (*)(void *context, void *address, std::size_t size, void **handle);
    using remove_function = void (*)(void *context, void *address, std::size_t size, void *handle);

    map() noexcept = default;
    explicit map(add_function on_add, remove_function on_remove = nullptr, void *context = nullptr, std::size_t max_size = 0) : handle(made(on_add, on_remove, max_size, context)) {}
    void attach(memkind_t kind) { detail::check(memkind_map_attach(get(), kind)); }
    void attach(const unique_kind &kind) { attach(kind.get()); }
    void detach(memkind_t kind) { detail::check(memkind_map_detach(get(), kind)); }
    void add(void *address, std::size_t size) { detail::check(memkind_map_add(get(), address, size)); }
    void remove(void *address, std::size_t size) { detail::check(memkind_map_remove(get(), address, size)); }
    /** Whether an address is in a range, which goes to `range`. */
    bool find(const void *address, struct memkind_range &range) const noexcept { return memkind_map_find(get(), address, &range) == 0; }

private:
    static struct memkind_map *made(add_function on_add, remove_function on_remove, std::size_t max_size, void *context)
    {
        struct memkind_map *made = nullptr;
        detail::check(memkind_map_create(on_add, on_remove, max_size, context, &made));
        return made;
    }
};

/** A pool; see memkind_pool(3). Streams and buffers of it must end before it. */
class pool : public detail::handle<struct memkind_pool *, detail::end_pool>
{
public:
    pool() noexcept = default;
    pool(memkind_t kind, std::size_t size, std::size_t alignment = 0, std::size_t count = 0) : handle(make(kind, size, alignment, count)) {}
    void prepare(std::size_t count) { detail::check(memkind_pool_prepare(get(), count)); }
    void *take() noexcept { return memkind_pool_get(get()); }
    void put(void *object) noexcept { memkind_pool_put(get(), object); }

private:
    static struct memkind_pool *make(memkind_t kind, std::size_t size, std::size_t alignment, std::size_t count)
    {
        struct memkind_pool *made = nullptr;
        detail::check(memkind_pool_create(kind, size, alignment, count, &made));
        return made;
    }
};

/** One reference to a slice of a buffer, released at its end; see memkind_iovec(3). */
class buffer
{
public:
    buffer() noexcept : iovec_() {}
    /** Takes over what `iovec` refers to; that is empty then. */
    explicit buffer(struct memkind_iovec &iovec) noexcept : iovec_() { memkind_iovec_move(&iovec_, &iovec); }
    buffer(buffer &&other) noexcept : buffer(other.iovec_) {}
    buffer &operator=(buffer &&other) noexcept
    {
        if (this != &other) {
            memkind_iovec_release(&iovec_);
            memkind_iovec_move(&iovec_, &other.iovec_);
        }
        return *this;
    }
    buffer(const buffer &) = delete;
    buffer &operator=(const buffer &) = delete;
    ~buffer() { memkind_iovec_release(&iovec_); }

    void *data() const noexcept { return iovec_.data; }
    unsigned size() const noexcept { return iovec_.length; }
    explicit operator bool() const noexcept { return iovec_.data != nullptr; }
    /** Another reference to the same slice. */
    buffer clone() const noexcept
    {
        buffer other;
        memkind_iovec_clone(&other.iovec_, &iovec_);
        return other;
    }
    /** To a part of it. Throws std::out_of_range. */
    buffer clone(unsigned offset, unsigned length) const
    {
        buffer other;
        if (memkind_iovec_clone_segment(&other.iovec_, &iovec_, offset, length) != 0) {
            detail::fail(std::out_of_range("libmemkind::buffer::clone"));
        }
        return other;
    }
    /** The vector, for the C functions; still this object's. */
    struct memkind_iovec *iovec() noexcept { return &iovec_; }

private:
    struct memkind_iovec iovec_;
};

/** A stream; see memkind_iovec(3). */
class stream : public detail::handle<struct memkind_stream *, detail::end_stream>
{
public:
    stream() noexcept = default;
    explicit stream(const pool &from) : handle(make(from)) {}
    /** One slice. Throws std::bad_alloc if there is none, or it is too long for a buffer. */
    buffer alloc(unsigned length, unsigned alignment = 0, unsigned flags = MEMKIND_IOVEC_LOCAL)
    {
        struct memkind_iovec iovec = memkind_iovec();
        if (memkind_iovec_alloc(get(), length, alignment, 1, flags, &iovec) < 0) {
            detail::fail(std::bad_alloc());
        }
        return buffer(iovec);
    }

private:
    static struct memkind_stream *make(const pool &from)
    {
        struct memkind_stream *made = nullptr;
        detail::check(memkind_stream_create(from.get(), &made));
        return made;
    }
};

/** A region; see memkind_region(3). */
class region : public detail::handle<struct memkind_region *, detail::end_region>
{
public:
    region() noexcept = default;
    explicit region(memkind_t kind, std::size_t chunk = 0, std::size_t limit = 0) : handle(make(kind, chunk, limit)) {}
    void *alloc(std::size_t size) noexcept { return memkind_region_alloc(get(), size); }
    void *alloc(std::size_t size, std::size_t alignment) noexcept { return memkind_region_memalign(get(), alignment, size); }
    void *mark() noexcept { return memkind_region_mark(get()); }
    void rewind(void *mark) { detail::check(memkind_region_rewind(get(), mark)); }
    void clear() { detail::check(memkind_region_reset(get())); }
    void protect(bool read_only) { detail::check(memkind_region_protect(get(), read_only)); }

private:
    static struct memkind_region *make(memkind_t kind, std::size_t chunk, std::size_t limit)
    {
        struct memkind_region *made = nullptr;
        detail::check(memkind_region_create(kind, chunk, limit, &made));
        return made;
    }
};

#ifdef LIBMEMKIND_HAS_PMR
/** Memory of a kind, for the containers of std::pmr. Any thread; equal to others of the same kind, compiled with
 *  -fno-rtti to itself only. */
class kind_resource : public std::pmr::memory_resource
{
public:
    explicit kind_resource(memkind_t kind) noexcept : kind_(kind) {}

private:
    void *do_allocate(std::size_t bytes, std::size_t alignment) override
    {
        void *block = nullptr;
        const std::size_t least = alignment < sizeof(void *) ? sizeof(void *) : alignment;
        if (memkind_posix_memalign(kind_, &block, least, bytes == 0 ? 1 : bytes) != 0) {
            detail::fail(std::bad_alloc());
        }
        return block;
    }
    void do_deallocate(void *block, std::size_t, std::size_t) override { memkind_free(kind_, block); }
    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
    {
#ifdef __cpp_rtti
        const kind_resource *same = dynamic_cast<const kind_resource *>(&other);
        return same != nullptr && same->kind_ == kind_;
#else
        return this == &other;
#endif
    }
    memkind_t kind_;
};

/** Memory of a region: deallocating does nothing, the region frees all. It must outlive this; one thread. */
class region_resource : public std::pmr::memory_resource
{
public:
    explicit region_resource(const region &from) noexcept : region_(from.get()) {}

private:
    void *do_allocate(std::size_t bytes, std::size_t alignment) override
    {
        void *block = memkind_region_memalign(region_, alignment, bytes == 0 ? 1 : bytes);
        if (block == nullptr) {
            detail::fail(std::bad_alloc());
        }
        return block;
    }
    void do_deallocate(void *, std::size_t, std::size_t) override {}
    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override { return this == &other; }
    struct memkind_region *region_;
};
#endif

} // namespace libmemkind
