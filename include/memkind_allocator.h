// SPDX-License-Identifier: BSD-2-Clause
//
// libmemkind::static_kind::allocator: an allocator for standard containers that takes its memory from one
// of the static kinds. C++11 and later. See memkindallocator(3).

#pragma once

#include <cstddef>
#include <new>
#include <stdexcept>
#include <utility>

#include "memkind.h"
#include "memkind/detail/failure.hpp"

namespace libmemkind
{

enum class kinds
{
    DEFAULT = 0,
    HUGETLB = 1,
    INTERLEAVE = 2,
    HBW = 3,
    HBW_ALL = 4,
    HBW_HUGETLB = 5,
    HBW_ALL_HUGETLB = 6,
    HBW_PREFERRED = 7,
    HBW_PREFERRED_HUGETLB = 8,
    HBW_INTERLEAVE = 9,
    REGULAR = 10,
    DAX_KMEM = 11,
    DAX_KMEM_ALL = 12,
    DAX_KMEM_PREFERRED = 13,
    DAX_KMEM_INTERLEAVE = 14,
    HIGHEST_CAPACITY = 15,
    HIGHEST_CAPACITY_PREFERRED = 16,
    HIGHEST_CAPACITY_LOCAL = 17,
    HIGHEST_CAPACITY_LOCAL_PREFERRED = 18,
    LOWEST_LATENCY_LOCAL = 19,
    LOWEST_LATENCY_LOCAL_PREFERRED = 20,
    HIGHEST_BANDWIDTH_LOCAL = 21,
    HIGHEST_BANDWIDTH_LOCAL_PREFERRED = 22
};

namespace static_kind
{

namespace internal
{

// The kind of this name; std::runtime_error for a value that is none of them.
inline memkind_t kind_of(kinds name)
{
    // In the order of the enumeration.
    const memkind_t all[] = {
        MEMKIND_DEFAULT,
        MEMKIND_HUGETLB,
        MEMKIND_INTERLEAVE,
        MEMKIND_HBW,
        MEMKIND_HBW_ALL,
        MEMKIND_HBW_HUGETLB,
        MEMKIND_HBW_ALL_HUGETLB,
        MEMKIND_HBW_PREFERRED,
        MEMKIND_HBW_PREFERRED_HUGETLB,
        MEMKIND_HBW_INTERLEAVE,
        MEMKIND_REGULAR,
        MEMKIND_DAX_KMEM,
        MEMKIND_DAX_KMEM_ALL,
        MEMKIND_DAX_KMEM_PREFERRED,
        MEMKIND_DAX_KMEM_INTERLEAVE,
        MEMKIND_HIGHEST_CAPACITY,
        MEMKIND_HIGHEST_CAPACITY_PREFERRED,
        MEMKIND_HIGHEST_CAPACITY_LOCAL,
        MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED,
        MEMKIND_LOWEST_LATENCY_LOCAL,
        MEMKIND_LOWEST_LATENCY_LOCAL_PREFERRED,
        MEMKIND_HIGHEST_BANDWIDTH_LOCAL,
        MEMKIND_HIGHEST_BANDWIDTH_LOCAL_PREFERRED,
    };
    const std::size_t number = static_cast<std::size_t>(name);
    if (number >= sizeof(all) / sizeof(all[0])) {
        libmemkind::detail::fail(std::runtime_error("not one of libmemkind::kinds"));
    }
    return all[number];
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

    explicit allocator(libmemkind::kinds kind) : kind_(internal::kind_of(kind)) {}

    // Copying is also what moving does: an allocator that was moved from is as good as before.
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
                memkind_posix_memalign(kind_, &block, alignof(T), n * sizeof(T));
            } else {
                block = memkind_malloc(kind_, n * sizeof(T));
            }
        }
        if (block == nullptr) {
            libmemkind::detail::fail(std::bad_alloc());
        }
        return static_cast<pointer>(block);
    }

    void deallocate(pointer block, size_type) const
    {
        memkind_free(kind_, block);
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

    memkind_t kind_;
};

} // namespace static_kind
} // namespace libmemkind
