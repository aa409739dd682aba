// SPDX-License-Identifier: BSD-2-Clause
// memkind_allocated_example.cpp needs a header of this name, which the distribution does not package.
// A base class whose derived class is allocated from a kind: the one given to `new (kind) T`, or the
// one that T::getClassKind() names.
#pragma once

#include <cstddef>
#include <memkind.h>
#include <new>

template <class Derived>
class memkind_allocated
{
    static void *allocate(memkind_t kind, std::size_t size)
    {
        void *block = nullptr;
        if (memkind_posix_memalign(kind, &block, alignof(Derived), size) != 0 || block == nullptr) {
            throw std::bad_alloc();
        }
        return block;
    }

public:
    static memkind_t getClassKind()
    {
        return MEMKIND_DEFAULT;
    }

    static void *operator new(std::size_t size)
    {
        return allocate(Derived::getClassKind(), size);
    }
    static void *operator new[](std::size_t size)
    {
        return allocate(Derived::getClassKind(), size);
    }
    static void *operator new(std::size_t size, memkind_t kind)
    {
        return allocate(kind, size);
    }
    static void *operator new[](std::size_t size, memkind_t kind)
    {
        return allocate(kind, size);
    }

    static void operator delete(void *block)
    {
        memkind_free(nullptr, block);
    }
    static void operator delete[](void *block)
    {
        memkind_free(nullptr, block);
    }
    static void operator delete(void *block, memkind_t kind)
    {
        memkind_free(kind, block);
    }
    static void operator delete[](void *block, memkind_t kind)
    {
        memkind_free(kind, block);
    }
};
