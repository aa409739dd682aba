// SPDX-License-Identifier: BSD-2-Clause
//
// libmemkind::pmem::allocator: an allocator for standard containers that takes its memory from a
// file-backed kind of its own. C++11 and later. See pmemallocator(3).

#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "memkind.h"
#include "memkind/detail/failure.hpp"

namespace libmemkind
{

enum class allocation_policy
{
    DEFAULT = MEMKIND_MEM_USAGE_POLICY_DEFAULT,
    CONSERVATIVE = MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE,
    MAX
};

namespace pmem
{

namespace internal
{

// Takes a new kind into shared ownership, or throws what the error of its creation stands for.
inline std::shared_ptr<struct memkind> own(int error, memkind_t kind)
{
    if (error == 0) {
        return std::shared_ptr<struct memkind>(kind, memkind_destroy_kind);
    }
    char text[MEMKIND_ERROR_MESSAGE_SIZE];
    memkind_error_message(error, text, sizeof(text));
    const std::string message = std::string("cannot create a file-backed kind: ") + text;
    if (error == MEMKIND_ERROR_INVALID) {
        libmemkind::detail::fail(std::invalid_argument(message));
    }
    libmemkind::detail::fail(std::runtime_error(message));
}

inline std::shared_ptr<struct memkind> create(const char *dir, std::size_t max_size, allocation_policy policy)
{
    struct memkind_config *const config = memkind_config_new();
    if (config == nullptr) {
        libmemkind::detail::fail(std::runtime_error("no memory for the configuration of a file-backed kind"));
    }
    memkind_config_set_path(config, dir);
    memkind_config_set_size(config, max_size);
    memkind_config_set_memory_usage_policy(config, static_cast<memkind_mem_usage_policy>(policy));
    memkind_t kind = nullptr;
    const int error = memkind_create_pmem_with_config(config, &kind);
    memkind_config_delete(config);
    return own(error, kind);
}

} // namespace internal

template <typename T>
class allocator
{
public:
    using value_type = T;
    using pointer = T *;
    using const_pointer = const T *;
    using reference = T &;
    using const_reference = const T &;
    using size_type = std::size_t;
    using difference_type = std::ptrdiff_t;

    template <class U>
    struct rebind {
        using other = allocator<U>;
    };

    // A new kind of at most max_size bytes (0: no limit) in a temporary file in dir. Throws
    // std::invalid_argument when the arguments are wrong, std::runtime_error when the file cannot be made.
    explicit allocator(const char *dir, size_type max_size, allocation_policy policy = allocation_policy::DEFAULT)
        : kind_(internal::create(dir, max_size, policy))
    {
    }
    explicit allocator(const std::string &dir, size_type max_size,
                       allocation_policy policy = allocation_policy::DEFAULT)
        : allocator(dir.c_str(), max_size, policy)
    {
    }

    // Copies share the kind; the last of them, and of the containers that hold one, destroys it. Copying is
    // also what moving does: an allocator that was moved from is as good as before.
    allocator(const allocator &other) noexcept = default;
    allocator &operator=(const allocator &other) noexcept = default;

    template <typename U>
    allocator(const allocator<U> &other) noexcept : kind_(other.kind_)
    {
    }
    template <typename U>
    allocator &operator=(const allocator<U> &other) noexcept
    {
        kind_ = other.kind_;
        return *this;
    }

    // Memory for n objects, aligned for them. Throws std::bad_alloc when n is 0, and when there is not enough memory.
    pointer allocate(size_type n) const
    {
        void *block = nullptr;
        if (n <= static_cast<size_type>(-1) / sizeof(T)) {
            // Large blocks of malloc are aligned for fundamental types only.
            if (alignof(T) > alignof(std::max_align_t)) {
                memkind_posix_memalign(kind_.get(), &block, alignof(T), n * sizeof(T));
            } else {
                block = memkind_malloc(kind_.get(), n * sizeof(T));
            }
        }
        if (block == nullptr) {
            libmemkind::detail::fail(std::bad_alloc());
        }
        return static_cast<pointer>(block);
    }

    void deallocate(pointer block, size_type) const
    {
        memkind_free(kind_.get(), block);
    }

    template <class U, class... Args>
    void construct(U *place, Args &&...args) const
    {
        ::new (static_cast<void *>(place)) U(std::forward<Args>(args)...);
    }

    template <class U>
    void destroy(U *object) const
    {
        object->~U();
    }

    // Equal allocators may free each other's memory.
    template <typename U>
    bool operator==(const allocator<U> &other) const noexcept
    {
        return kind_ == other.kind_;
    }
    template <typename U>
    bool operator!=(const allocator<U> &other) const noexcept
    {
        return kind_ != other.kind_;
    }

private:
    template <typename U>
    friend class allocator;

    std::shared_ptr<struct memkind> kind_;
};

} // namespace pmem
} // namespace libmemkind
