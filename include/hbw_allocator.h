// SPDX-License-Identifier: BSD-2-Clause
//
// hbw::allocator: an allocator for standard containers that takes its memory from hbw_malloc(). C++98 and
// later. See hbwallocator(3).

#pragma once

#include <cstddef>
#include <new>

#if __cplusplus >= 201103L
#include <utility>
#endif

#include "hbwmalloc.h"
#include "memkind/detail/failure.hpp"

namespace hbw
{

template <class T>
class allocator
{
public:
    typedef T value_type;
    typedef T *pointer;
    typedef const T *const_pointer;
    typedef T &reference;
    typedef const T &const_reference;
    typedef std::size_t size_type;
    typedef std::ptrdiff_t difference_type;

    template <class U>
    struct rebind {
        typedef hbw::allocator<U> other;
    };

    // There is one high-bandwidth heap, so an allocator has no state and any two are equal.
    allocator() throw() {}
    template <class U>
    allocator(const hbw::allocator<U> &) throw()
    {
    }

    pointer address(reference object) const
    {
        return &object;
    }
    const_pointer address(const_reference object) const
    {
        return &object;
    }

    // Memory for n objects, aligned for them. Throws std::bad_alloc when n is 0 or greater than max_size(),
    // and when there is not enough memory.
    pointer allocate(size_type n, const void * = 0)
    {
        void *block = 0;
        if (n <= max_size()) {
            // Large blocks of malloc are aligned for fundamental types only. C++98 has no alignof.
            if (__alignof__(T) > 2 * sizeof(void *)) {
                hbw_posix_memalign(&block, __alignof__(T), n * sizeof(T));
            } else {
                block = hbw_malloc(n * sizeof(T));
            }
        }
        if (block == 0) {
            libmemkind::detail::fail(std::bad_alloc());
        }
        return static_cast<pointer>(block);
    }

    void deallocate(pointer block, size_type)
    {
        hbw_free(block);
    }

    size_type max_size() const throw()
    {
        return static_cast<size_type>(-1) / sizeof(T);
    }

#if __cplusplus >= 201103L
    template <class U, class... Args>
    void construct(U *place, Args &&...args)
    {
        ::new (static_cast<void *>(place)) U(std::forward<Args>(args)...);
    }
    template <class U>
    void destroy(U *object)
    {
        object->~U();
    }
#else
    void construct(pointer place, const_reference value)
    {
        ::new (static_cast<void *>(place)) T(value);
    }
    void destroy(pointer object)
    {
        object->~T();
    }
#endif
};

template <class T, class U>
bool operator==(const allocator<T> &, const allocator<U> &)
{
    return true;
}

template <class T, class U>
bool operator!=(const allocator<T> &, const allocator<U> &)
{
    return false;
}

} // namespace hbw
