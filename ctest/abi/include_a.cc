// SPDX-License-Identifier: BSD-2-Clause
// First unit: uses the inline parts of the headers and calls into the second.
#include "include_twice.h"

#include <vector>

memkind_t from_a()
{
    return MEMKIND_DEFAULT;
}

int main()
{
    std::vector<int, libmemkind::static_kind::allocator<int>> numbers(
        libmemkind::static_kind::allocator<int>(libmemkind::kinds::REGULAR));
    for (int i = 0; i < 1000; i++) {
        numbers.push_back(i);
    }
    memtier_free(nullptr);
    return from_a() == from_b() && memkind_detect_kind(numbers.data()) == MEMKIND_REGULAR ? 0 : 1;
}
