// SPDX-License-Identifier: BSD-2-Clause
// A class MemoryPool, as many programs have one: blocks from one place, NULL when it is used up, all freed at once. It is
// a region with a limit.
//
//   g++ -std=c++11 memory_pool.cpp -lmemkind

#include <cstdio>
#include <cstring>
#include <memkind_ext.hpp>

// Thread-safety: one thread at a time
// Ownership: owns its memory
// Failure modes: allocate returns nullptr on exhaustion
class MemoryPool
{
    libmemkind::region memory;

public:
    explicit MemoryPool(std::size_t size) : memory(MEMKIND_DEFAULT, 0, size) {}
    void *allocate(std::size_t size) { return memory.alloc(size); }
    void reset() { memory.clear(); }
};

int main()
{
    MemoryPool pool(1 << 20);
    int n = 0;

    for (int round = 0; round < 10; round++) {
        for (n = 0; void *block = pool.allocate(1000); n++) {
            std::memset(block, round, 1000);
        }
        pool.reset();
    }
    std::printf("%d blocks of 1000 bytes in 1 MiB\n", n);
    return n == 1040 ? 0 : 1;
}
