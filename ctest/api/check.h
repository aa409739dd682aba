/* SPDX-License-Identifier: BSD-2-Clause */
/* Helpers for the C property tests: comparisons that say file, line, expected and got; skipping;
 * running a part of a test in a child process or in a fresh process with another environment.
 * A test's exit status: 0 passed, 1 failed (reason on stderr), 77 skipped (reason on stdout). */
#ifndef MEMKIND_CTEST_CHECK_H
#define MEMKIND_CTEST_CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dlfcn.h>
#include <errno.h>
#include <memkind.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* ---- Failing and skipping. Both leave at once, so that a broken heap is not touched again. ---- */

__attribute__((format(printf, 3, 4), noreturn)) static inline void
check_fail(const char *file, int line, const char *format, ...)
{
    va_list args;

    fflush(stdout);
    fprintf(stderr, "%s:%d: ", file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    fflush(stderr);
    _exit(1);
}

__attribute__((format(printf, 1, 2), noreturn)) static inline void check_skip(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
    _exit(77);
}

#define FAIL(...) check_fail(__FILE__, __LINE__, __VA_ARGS__)
#define SKIP(...) check_skip(__VA_ARGS__)

/* ---- Comparisons: the expected value first. Arguments are evaluated once, left to right. ---- */

static inline void check_int(const char *file, int line, const char *what, long long expected, long long got)
{
    if (expected != got) {
        check_fail(file, line, "%s: expected %lld, got %lld", what, expected, got);
    }
}

static inline void check_ptr(const char *file, int line, const char *what, const void *expected, const void *got)
{
    if (expected != got) {
        check_fail(file, line, "%s: expected %p, got %p", what, expected, got);
    }
}

static inline void check_str(const char *file, int line, const char *what, const char *expected, const char *got)
{
    if (got == NULL || strcmp(expected, got) != 0) {
        check_fail(file, line, "%s: expected \"%s\", got \"%s\"", what, expected, got ? got : "(null)");
    }
}

#define CHECK(condition) ((condition) ? (void)0 : FAIL("expected %s, got false", #condition))
#define CHECK_INT(expected, got) check_int(__FILE__, __LINE__, #got, (long long)(expected), (long long)(got))
#define CHECK_PTR(expected, got) check_ptr(__FILE__, __LINE__, #got, (expected), (got))
#define CHECK_STR(expected, got) check_str(__FILE__, __LINE__, #got, (expected), (got))
#define CHECK_NULL(got) CHECK_PTR(NULL, got)
#define CHECK_NOT_NULL(got) \
    ((got) != NULL ? (void)0 : FAIL("%s: expected a pointer, got NULL (errno %d)", #got, errno))

/* The result of an allocation that must fail, and the errno that it must leave. errno is set to 0
 * before the call. */
#define CHECK_ALLOC_FAILS(expected_errno, call)      \
    do {                                             \
        errno = 0;                                   \
        const void *check_result_ = (call);          \
        const int check_errno_ = errno;              \
        check_ptr(__FILE__, __LINE__, #call, NULL, check_result_); \
        check_int(__FILE__, __LINE__, "errno after " #call, (expected_errno), check_errno_); \
    } while (0)

/* ---- The library under test ---- */

/* True when it is the distribution's 1.14.0: for the few expectations that differ on purpose. */
static inline int original(void)
{
    return memkind_get_version() == 1014000;
}

/* ---- Memory ---- */

static inline void fill(void *block, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        ((unsigned char *)block)[i] = (unsigned char)(seed + i * 7);
    }
}

static inline bool holds(const void *block, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        if (((const unsigned char *)block)[i] != (unsigned char)(seed + i * 7)) {
            return false;
        }
    }
    return true;
}

static inline bool all_zero(const void *block, size_t size)
{
    const unsigned char *bytes = block;
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

static inline bool aligned(const void *block, size_t alignment)
{
    return (uintptr_t)block % alignment == 0;
}

/* ---- File-backed kinds ---- */

/* The directory in which to create file-backed kinds. */
static inline const char *test_dir(void)
{
    const char *dir = getenv("TMPDIR");
    return dir != NULL && dir[0] != '\0' ? dir : "/tmp";
}

static inline memkind_t make_pmem(const char *dir, size_t size)
{
    memkind_t kind = NULL;
    CHECK_INT(0, memkind_create_pmem(dir, size, &kind));
    CHECK_NOT_NULL(kind);
    return kind;
}

/* ---- Child processes. The status is the exit status, or 128 + the number of the signal. ---- */

static inline int child_wait(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0) {
        CHECK_INT(EINTR, errno);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Runs `body` in a forked child: for what may crash, or needs a process of its own. */
static inline int run_forked(void (*body)(void))
{
    fflush(NULL);
    const pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        body();
        fflush(NULL);
        _exit(0);
    }
    return child_wait(pid);
}

/* Runs this program again from its start, with one argument and with changes to the environment:
 * a NULL-terminated list of "NAME=value" (set) or "NAME" (remove). */
static inline int run_again(const char *argument, const char *const changes[])
{
    fflush(NULL);
    const pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        for (size_t i = 0; changes != NULL && changes[i] != NULL; i++) {
            char *name = strdup(changes[i]);
            char *value = strchr(name, '=');
            if (value != NULL) {
                *value = '\0';
                setenv(name, value + 1, 1);
            } else {
                unsetenv(name);
            }
        }
        char self[] = "test";
        char *const argv[] = {self, (char *)argument, NULL};
        execv("/proc/self/exe", argv);
        _exit(127);
    }
    return child_wait(pid);
}

/* A child that must pass; one that skips makes the whole test skip. */
#define CHECK_CHILD(call)                                        \
    do {                                                         \
        const int check_status_ = (call);                        \
        if (check_status_ == 77) {                               \
            _exit(77);                                           \
        }                                                        \
        check_int(__FILE__, __LINE__, #call, 0, check_status_);  \
    } while (0)

#endif
