// SPDX-License-Identifier: BSD-2-Clause
// Containers with the four allocators align types with an alignment beyond that of malloc, whatever their
// number. C++98 has hbw::allocator only.
#include <hbw_allocator.h>

#include <cstddef>
#include <cstdio>
#include <list>
#include <new>
#include <vector>

#if __cplusplus >= 201103L
#include <fixed_allocator.h>
#include <memkind_allocator.h>
#include <pmem_allocator.h>
#endif

static int failures;

template <std::size_t alignment>
struct Aligned {
    char bytes[alignment];
} __attribute__((aligned(alignment)));

template <class T>
static bool is_misaligned(const T &object)
{
    // Asked of a byte: the compiler knows how a T is aligned.
    return reinterpret_cast<std::size_t>(&object.bytes[0]) % sizeof(T) != 0;
}

template <class T, class Allocator>
static void check_type(const char *name, const Allocator &allocator)
{
    int misaligned = 0;
    // Sizes from one object to 2 MiB, each several times beside each other: where a block begins varies.
    std::list<std::vector<T, Allocator> > kept;
    for (std::size_t bytes = sizeof(T); bytes <= 2048 * 1024; bytes = bytes * 3 / 2 + sizeof(T)) {
        for (std::size_t i = 0; i < (bytes <= 256 * 1024 ? 24 : 4); i++) {
            kept.push_back(std::vector<T, Allocator>(allocator));
            kept.back().reserve(bytes / sizeof(T) + i);
            kept.back().push_back(T());
            misaligned += is_misaligned(kept.back()[0]);
        }
        while (kept.size() > 24) {
            kept.pop_front();
        }
    }
    std::list<T, Allocator> nodes(allocator);
    for (int i = 0; i < 100; i++) {
        nodes.push_back(T());
        misaligned += is_misaligned(nodes.back());
    }
    bool thrown = false;
    try {
        Allocator copy(allocator);
        copy.deallocate(copy.allocate(0), 0);
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    if (misaligned > 0 || !thrown) {
        std::fprintf(stderr, "%s, aligned to %d: %d misaligned; bad_alloc for no object: %s\n", name,
                     static_cast<int>(sizeof(T)), misaligned, thrown ? "yes" : "no");
        failures++;
    }
}

template <template <class> class Allocator>
static void check(const char *name, const Allocator<char> &allocator)
{
    check_type<Aligned<32> >(name, Allocator<Aligned<32> >(allocator));
    check_type<Aligned<64> >(name, Allocator<Aligned<64> >(allocator));
    check_type<Aligned<128> >(name, Allocator<Aligned<128> >(allocator));
    check_type<Aligned<256> >(name, Allocator<Aligned<256> >(allocator));
    check_type<Aligned<4096> >(name, Allocator<Aligned<4096> >(allocator));
    check_type<Aligned<16384> >(name, Allocator<Aligned<16384> >(allocator));
}

int main(int, char **argv)
{
    check<hbw::allocator>("hbw::allocator", hbw::allocator<char>());
#if __cplusplus >= 201103L
    using namespace libmemkind;
    check<static_kind::allocator>("static_kind::allocator", static_kind::allocator<char>(kinds::DEFAULT));
    check<static_kind::allocator>("static_kind::allocator", static_kind::allocator<char>(kinds::REGULAR));
    check<pmem::allocator>("pmem::allocator", pmem::allocator<char>(argv[1], 0));
    static char area[64 * 1024 * 1024];
    check<fixed::allocator>("fixed::allocator", fixed::allocator<char>(area, sizeof(area)));
#else
    (void)argv;
#endif
    return failures != 0;
}
