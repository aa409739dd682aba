/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding the shared objects that run-api.sh builds from lib/ for the tests that name them. */
#ifndef MEMKIND_CTEST_LIBRARY_H
#define MEMKIND_CTEST_LIBRARY_H

#include "check.h"

/* The path of lib/NAME.c as a shared object: beside this program. */
static inline const char *library_path(const char *name, char *path, size_t size)
{
    const ssize_t length = readlink("/proc/self/exe", path, size - 1);

    CHECK(length > 0);
    path[length] = '\0';
    char *const file = strrchr(path, '/') + 1;
    const size_t room = size - (size_t)(file - path);
    CHECK((size_t)snprintf(file, room, "%s.so", name) < room);
    return path;
}

#endif
