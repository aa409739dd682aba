// SPDX-License-Identifier: BSD-2-Clause
// Second unit: the same headers, so that a definition that is not inline is a link error.
#include "include_twice.h"

#include <list>

memkind_t from_b()
{
    std::list<int, hbw::allocator<int>> numbers;
    numbers.push_back(1);
    memtier_free(nullptr);
    return numbers.front() == 1 ? MEMKIND_DEFAULT : nullptr;
}
