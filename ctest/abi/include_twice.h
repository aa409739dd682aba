// SPDX-License-Identifier: BSD-2-Clause
// What each unit of the C++ inclusion test includes: every header, each of them twice.
#include "all_headers.inc"
#include "all_headers.inc"

memkind_t from_a();
memkind_t from_b();
