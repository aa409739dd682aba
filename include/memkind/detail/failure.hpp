// SPDX-License-Identifier: BSD-2-Clause
//
// How functions of the C++ headers fail: by an exception or, in a program that is compiled without exceptions, by
// a line on standard error and abort(3). C++98 and later. All files of a program should be compiled alike: of an
// inline function that several have, the linker keeps one.

#pragma once

#if !defined(__cpp_exceptions) && !defined(__EXCEPTIONS)
#include <cstdio>
#include <cstdlib>
#endif

namespace libmemkind
{
namespace detail
{

// Throws `exception`, or says what it says and aborts.
template <class Exception>
__attribute__((noreturn)) inline void fail(const Exception &exception)
{
#if defined(__cpp_exceptions) || defined(__EXCEPTIONS)
    throw exception;
#else
    std::fprintf(stderr, "libmemkind: %s\n", exception.what());
    std::abort();
#endif
}

} // namespace detail
} // namespace libmemkind
