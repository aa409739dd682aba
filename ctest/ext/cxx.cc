/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_ext.hpp: handles move and end what they hold, buffers release themselves, containers of std::pmr have memory
 * of a kind and of a region; a class MemoryPool on a region, as many programs have one. */
#include <memkind_ext.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#ifdef LIBMEMKIND_HAS_PMR
#include <string>
#include <vector>
#endif

#define CHECK(condition) \
    ((condition) ? (void)0 : (std::fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition), std::exit(1)))

using namespace libmemkind;

static_assert(!std::is_copy_constructible<pool>::value && std::is_nothrow_move_constructible<pool>::value, "");
static_assert(!std::is_copy_constructible<buffer>::value && std::is_nothrow_move_assignable<buffer>::value, "");
static_assert(!std::is_copy_constructible<region>::value && !std::is_copy_constructible<unique_kind>::value, "");

static std::size_t in_use(const pool &from)
{
    struct memkind_usage usage;
    CHECK(memkind_pool_get_usage(from.get(), &usage, sizeof(usage)) == 0);
    return usage.in_use;
}

static void handles()
{
    alignas(4096) static char area[16 << 20];
    memkind_t made = nullptr;
    CHECK(memkind_create_fixed(area, sizeof(area), &made) == 0);
    {
        unique_kind kind(made);
        pool objects(kind.get(), 1000);
        pool moved(std::move(objects));
        CHECK(!objects && moved);
        void *object = moved.take();
        CHECK(object != nullptr && memkind_detect_kind(object) == made);
        moved.put(object);
        CHECK(memkind_destroy_kind(made) == MEMKIND_ERROR_OPERATION_FAILED);
    }
    /* The kind is gone. */
    CHECK(memkind_destroy_kind(made) == MEMKIND_ERROR_INVALID);
    int code = 0;
    try {
        pool none(MEMKIND_DEFAULT, 0);
    } catch (const error &failed) {
        code = failed.code();
        CHECK(std::strstr(failed.what(), "memkind") != nullptr);
    }
    CHECK(code == MEMKIND_ERROR_INVALID);
}

static int add(void *context, void *, std::size_t, void **handle)
{
    *handle = context;
    ++*static_cast<int *>(context);
    return 0;
}

static void forget(void *context, void *, std::size_t, void *)
{
    --*static_cast<int *>(context);
}

/* A kind by description, its memory in a map: both end by themselves, whichever is first. */
static void configs_and_maps()
{
    int n_ranges = 0, code = 0;
    {
        map registered(add, forget, &n_ranges);
        unique_kind kind = config().options(MEMKIND_OPTION_PIN).slab_size(2 << 20).limit(8 << 20).alignment(128).name("dma").make();
        registered.attach(kind);
        void *block = memkind_malloc(kind.get(), 100);
        struct memkind_range range;
        CHECK(reinterpret_cast<std::size_t>(block) % 128 == 0 && n_ranges > 0);
        CHECK(registered.find(block, range) && range.handle == &n_ranges && !registered.find(&range, range));
        map moved(std::move(registered));
        CHECK(!registered && moved.find(block, range));
        try {
            moved.attach(kind);
        } catch (const error &failed) {
            code = failed.code();
        }
        CHECK(code == MEMKIND_ERROR_INVALID);
    }
    CHECK(n_ranges == 0);
    code = 0;
    try {
        config().alignment(3).make();
    } catch (const error &failed) {
        code = failed.code();
    }
    CHECK(code == MEMKIND_ERROR_INVALID);
}

static void buffers()
{
    pool objects(MEMKIND_DEFAULT, 1 << 16, 4096);
    {
        stream from(objects);
        buffer one = from.alloc(1000);
        std::memset(one.data(), 1, one.size());
        buffer other = one.clone(10, 20);
        CHECK(other.size() == 20 && other.data() == static_cast<char *>(one.data()) + 10);
        one = std::move(other);
        CHECK(!other && one.size() == 20);
        bool thrown = false;
        try {
            one.clone(10, 11);
        } catch (const std::out_of_range &) {
            thrown = true;
        }
        CHECK(thrown);
        thrown = false;
        try {
            from.alloc((1 << 16) + 1);
        } catch (const std::bad_alloc &) {
            thrown = true;
        }
        CHECK(thrown && in_use(objects) == 1 << 16);
    }
    CHECK(in_use(objects) == 0);
}

/* The usual pattern: allocate until it is used up, then reset. */
class MemoryPool
{
    region memory;

public:
    explicit MemoryPool(std::size_t size) : memory(MEMKIND_DEFAULT, 0, size) {}
    void *allocate(std::size_t size) { return memory.alloc(size); }
    void reset() { memory.clear(); }
};

static void memory_pool()
{
    MemoryPool memory(4096);
    for (int round = 0; round < 3; round++) {
        CHECK(memory.allocate(4000) != nullptr && memory.allocate(96) != nullptr && memory.allocate(1) == nullptr);
        memory.reset();
    }
}

static void containers()
{
#ifdef LIBMEMKIND_HAS_PMR
    kind_resource of_kind(MEMKIND_REGULAR);
    kind_resource same(MEMKIND_REGULAR), other(MEMKIND_DEFAULT);
    CHECK(of_kind == of_kind && of_kind != other);
#ifdef __cpp_rtti
    CHECK(of_kind == same);
#endif
    std::pmr::vector<std::pmr::string> strings(&of_kind);
    for (int i = 0; i < 1000; i++) {
        strings.emplace_back("a string that is too long to be kept inside of the object");
    }
    CHECK(memkind_detect_kind(strings.data()) == MEMKIND_REGULAR && memkind_detect_kind(&strings[999][0]) == MEMKIND_REGULAR);
    region memory(MEMKIND_DEFAULT, 0, 1 << 16);
    region_resource of_region(memory);
    bool thrown = false;
    {
        std::pmr::vector<long double> numbers(100, 1, &of_region);
        CHECK(memkind_detect_kind(numbers.data()) == MEMKIND_DEFAULT && memkind_malloc_usable_size(nullptr, numbers.data()) == 0);
        try {
            numbers.resize(100000);
        } catch (const std::bad_alloc &) {
            thrown = true;
        }
    }
    CHECK(thrown);
#endif
}

int main()
{
    handles();
    configs_and_maps();
    buffers();
    memory_pool();
    containers();
    return 0;
}
