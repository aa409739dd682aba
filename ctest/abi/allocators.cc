// SPDX-License-Identifier: BSD-2-Clause
// The four allocators in standard containers: memory comes from the right kind, errors are the documented
// exceptions, copies and rebound copies are equal. Compiled with our headers and with the original's (-DORIGINAL).
#include <fixed_allocator.h>
#include <hbw_allocator.h>
#include <memkind_allocator.h>
#include <pmem_allocator.h>

#include <cstdio>
#include <functional>
#include <list>
#include <map>
#include <scoped_allocator>
#include <string>
#include <vector>

static int failures;

#define CHECK(condition)                                                    \
    do {                                                                    \
        if (!(condition)) {                                                 \
            std::fprintf(stderr, "line %d: not %s\n", __LINE__, #condition); \
            failures++;                                                     \
        }                                                                   \
    } while (0)

#define CHECK_THROWS(exception, statement)                                             \
    do {                                                                               \
        bool thrown = false;                                                           \
        try {                                                                          \
            statement;                                                                 \
        } catch (const exception &) {                                                  \
            thrown = true;                                                             \
        } catch (...) {                                                                \
        }                                                                              \
        if (!thrown) {                                                                 \
            std::fprintf(stderr, "line %d: no %s from %s\n", __LINE__, #exception, #statement); \
            failures++;                                                                \
        }                                                                              \
    } while (0)

// What holds for each of them.
template <template <class> class Allocator>
static void check_containers(const Allocator<int> &ints)
{
    Allocator<int> copy(ints);
    Allocator<double> rebound(ints);
    CHECK(copy == ints && !(copy != ints));
    CHECK(rebound == ints && !(rebound != ints));
    int *block = copy.allocate(10);
    block[9] = 1;
    Allocator<int>(rebound).deallocate(block, 10);
    CHECK_THROWS(std::bad_alloc, copy.allocate(0));

    std::vector<int, Allocator<int>> numbers(ints);
    for (int i = 0; i < 10000; i++) {
        numbers.push_back(i);
    }
    std::vector<int, Allocator<int>> moved(std::move(numbers));
    CHECK(moved.size() == 10000 && moved[9999] == 9999);
#ifndef ORIGINAL
    // The original's allocators lose their kind when moved from, and this crashes.
    numbers = moved;
    numbers.resize(20000);
    CHECK(numbers[9999] == 9999);
#endif

    std::list<std::string, Allocator<std::string>> words{Allocator<std::string>(ints)};
    words.push_back("one");
    words.emplace_back(3, 'x');
    CHECK(words.front() == "one" && words.back() == "xxx");

    using Pair = std::pair<const int, std::string>;
    std::map<int, std::string, std::less<int>, Allocator<Pair>> names{std::less<int>(), Allocator<Pair>(ints)};
    for (int i = 0; i < 1000; i++) {
        names[i] = std::to_string(i);
    }
    CHECK(names.at(999) == "999");
}

static void check_static_kinds()
{
    using namespace libmemkind::static_kind;
    check_containers<allocator>(allocator<int>(libmemkind::kinds::DEFAULT));
    check_containers<allocator>(allocator<int>(libmemkind::kinds::REGULAR));

    static const struct {
        libmemkind::kinds name;
        memkind_t kind;
    } pairs[] = {
        {libmemkind::kinds::DEFAULT, MEMKIND_DEFAULT},
        {libmemkind::kinds::HUGETLB, MEMKIND_HUGETLB},
        {libmemkind::kinds::INTERLEAVE, MEMKIND_INTERLEAVE},
        {libmemkind::kinds::HBW, MEMKIND_HBW},
        {libmemkind::kinds::HBW_ALL, MEMKIND_HBW_ALL},
        {libmemkind::kinds::HBW_HUGETLB, MEMKIND_HBW_HUGETLB},
        {libmemkind::kinds::HBW_ALL_HUGETLB, MEMKIND_HBW_ALL_HUGETLB},
        {libmemkind::kinds::HBW_PREFERRED, MEMKIND_HBW_PREFERRED},
        {libmemkind::kinds::HBW_PREFERRED_HUGETLB, MEMKIND_HBW_PREFERRED_HUGETLB},
        {libmemkind::kinds::HBW_INTERLEAVE, MEMKIND_HBW_INTERLEAVE},
        {libmemkind::kinds::REGULAR, MEMKIND_REGULAR},
        {libmemkind::kinds::DAX_KMEM, MEMKIND_DAX_KMEM},
        {libmemkind::kinds::DAX_KMEM_ALL, MEMKIND_DAX_KMEM_ALL},
        {libmemkind::kinds::DAX_KMEM_PREFERRED, MEMKIND_DAX_KMEM_PREFERRED},
        {libmemkind::kinds::DAX_KMEM_INTERLEAVE, MEMKIND_DAX_KMEM_INTERLEAVE},
        {libmemkind::kinds::HIGHEST_CAPACITY, MEMKIND_HIGHEST_CAPACITY},
        {libmemkind::kinds::HIGHEST_CAPACITY_PREFERRED, MEMKIND_HIGHEST_CAPACITY_PREFERRED},
        {libmemkind::kinds::HIGHEST_CAPACITY_LOCAL, MEMKIND_HIGHEST_CAPACITY_LOCAL},
        {libmemkind::kinds::HIGHEST_CAPACITY_LOCAL_PREFERRED, MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED},
        {libmemkind::kinds::LOWEST_LATENCY_LOCAL, MEMKIND_LOWEST_LATENCY_LOCAL},
        {libmemkind::kinds::LOWEST_LATENCY_LOCAL_PREFERRED, MEMKIND_LOWEST_LATENCY_LOCAL_PREFERRED},
        {libmemkind::kinds::HIGHEST_BANDWIDTH_LOCAL, MEMKIND_HIGHEST_BANDWIDTH_LOCAL},
        {libmemkind::kinds::HIGHEST_BANDWIDTH_LOCAL_PREFERRED, MEMKIND_HIGHEST_BANDWIDTH_LOCAL_PREFERRED},
    };
    int number = 0;
    for (const auto &pair : pairs) {
        CHECK(static_cast<int>(pair.name) == number++);
        allocator<char> chars(pair.name);
        if (memkind_check_available(pair.kind) != 0) {
            continue;
        }
        char *block = nullptr;
        try {
            block = chars.allocate(100);
        } catch (const std::bad_alloc &) {
            continue; // no huge pages
        }
        CHECK(memkind_detect_kind(block) == pair.kind);
        chars.deallocate(block, 100);
    }
    CHECK(allocator<int>(libmemkind::kinds::DEFAULT) != allocator<int>(libmemkind::kinds::REGULAR));
    CHECK_THROWS(std::runtime_error, allocator<int>(static_cast<libmemkind::kinds>(23)));
    CHECK_THROWS(std::runtime_error, allocator<int>(static_cast<libmemkind::kinds>(-1)));
}

static void check_pmem(const char *dir)
{
    using namespace libmemkind::pmem;
    const std::size_t size = 64 * 1024 * 1024;
    check_containers<allocator>(allocator<int>(dir, size));
    check_containers<allocator>(allocator<int>(std::string(dir), 0));
    check_containers<allocator>(allocator<int>(dir, size, libmemkind::allocation_policy::CONSERVATIVE));
    check_containers<allocator>(allocator<int>(std::string(dir), size, libmemkind::allocation_policy::DEFAULT));

    allocator<char> one(dir, size);
    allocator<char> other(dir, size);
    CHECK(one != other);
    char *block = one.allocate(1000);
    CHECK(memkind_detect_kind(block) != nullptr && memkind_detect_kind(block) != MEMKIND_DEFAULT);
    one.deallocate(block, 1000);
    CHECK_THROWS(std::bad_alloc, one.allocate(2 * size));
    CHECK_THROWS(std::invalid_argument, allocator<char>(dir, MEMKIND_PMEM_MIN_SIZE - 1));
    CHECK_THROWS(std::invalid_argument, allocator<char>("/no/such/directory", size));

    // The kind lives as long as a container that uses it.
    std::vector<int, allocator<int>> numbers{allocator<int>(dir, size)};
    numbers.assign(1000, 7);
    CHECK(numbers[999] == 7);

    // Containers in containers take their memory from the same kind.
    using String = std::basic_string<char, std::char_traits<char>, allocator<char>>;
    using Strings = std::vector<String, std::scoped_allocator_adaptor<allocator<String>>>;
    Strings strings{Strings::allocator_type(allocator<String>(one))};
    strings.emplace_back("longer than what a string keeps in itself");
    CHECK(memkind_detect_kind(&strings[0][0]) == memkind_detect_kind(&strings[0]));
}

static void check_fixed()
{
    using namespace libmemkind::fixed;
    constexpr std::size_t size = 64 * 1024 * 1024;
    static char area[size];
    check_containers<allocator>(allocator<int>(area, size));

    allocator<char> chars(area, size);
    char *block = chars.allocate(1000);
    CHECK(block >= area && block + 1000 <= area + size);
    chars.deallocate(block, 1000);
    CHECK_THROWS(std::bad_alloc, chars.allocate(2 * size));
    CHECK_THROWS(std::invalid_argument, allocator<char>(area, size)); // the area is in use
}

static void check_hbw()
{
    check_containers<hbw::allocator>(hbw::allocator<int>());
    hbw::allocator<long> longs;
    long value = 3;
    CHECK(longs.address(value) == &value);
    CHECK(longs.max_size() == static_cast<std::size_t>(-1) / sizeof(long));
    CHECK_THROWS(std::bad_alloc, longs.allocate(longs.max_size() + 1));
    CHECK_THROWS(std::bad_alloc, longs.allocate(longs.max_size()));
    longs.construct(&value, 4);
    CHECK(value == 4);
    longs.destroy(&value);
}

int main(int argc, char **argv)
{
    check_static_kinds();
    check_pmem(argc > 1 ? argv[1] : "/tmp");
    check_fixed();
    check_hbw();
    return failures != 0;
}
