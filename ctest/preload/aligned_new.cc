// SPDX-License-Identifier: BSD-2-Clause
// The C++ operators, aligned ones of C++17 too, from several threads; each block is freed by another
// thread than the one that made it.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

struct alignas(128) Wide {
    char bytes[256];
};
struct alignas(4096) Page {
    char bytes[4096];
};

template <typename T> static void check(const T *object)
{
    if (reinterpret_cast<std::uintptr_t>(object) % alignof(T) != 0) {
        std::fprintf(stderr, "an object of alignment %zu at %p\n", alignof(T), static_cast<const void *>(object));
        std::_Exit(1);
    }
}

int main()
{
    std::mutex mutex;
    std::vector<std::unique_ptr<Wide>> wide;
    std::vector<std::unique_ptr<Page[]>> pages;
    std::unordered_map<std::string, std::vector<long>> map;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 5000; i++) {
                auto one = std::make_unique<Wide>();
                check(one.get());
                auto few = i % 50 == 0 ? std::make_unique<Page[]>(3) : nullptr;
                check(few.get());
                void *raw = ::operator new(i, std::align_val_t(512), std::nothrow);
                ::operator delete(raw, i, std::align_val_t(512));
                delete[] new long[i % 1000 + 1];
                std::lock_guard<std::mutex> lock(mutex);
                wide.push_back(std::move(one));
                if (few) {
                    pages.push_back(std::move(few));
                }
                if (wide.size() > 1000) {
                    wide.erase(wide.begin(), wide.begin() + 500);
                }
                map["key " + std::to_string(i % 700)].push_back(t);
            }
        });
    }
    for (auto &thread : threads) {
        thread.join();
    }
    try {
        volatile std::size_t too_much = SIZE_MAX / 4;
        ::operator delete(::operator new(too_much));
        return 1;
    } catch (const std::bad_alloc &) {
    }
    std::printf("%zu keys\n", map.size());
    return map.size() == 700 ? 0 : 1;
}
