/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions for the C property tests: comparisons that say file, line, expected and got; skipping;
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
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* Bytes of the pages that heaps are made of, whatever those of the kernel have: docs/portability.md. */
#ifndef HEAP_PAGE
#ifdef __x86_64__
#define HEAP_PAGE (4 * KIB)
#else
#define HEAP_PAGE (64 * KIB)
#endif
#endif

/* What the checks are being applied to, said in front of a failure: for loops over kinds or sizes. */
static const char *check_context __attribute__((unused));

/* ---- Failing and skipping. Both leave at once, so that a broken heap is not touched again. ---- */

__attribute__((format(printf, 3, 4), noreturn)) static inline void
check_fail(const char *file, int line, const char *format, ...)
{
    va_list args;

    fflush(stdout);
    fprintf(stderr, "%s:%d: ", file, line);
    if (check_context != NULL) {
        fprintf(stderr, "[%s] ", check_context);
    }
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

/* ---- Fixed kinds ---- */

/* `size` bytes of fresh memory for a fixed kind. */
static inline char *map_area(size_t size)
{
    void *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    CHECK(area != MAP_FAILED);
    return area;
}

static inline memkind_t make_fixed(void *area, size_t size)
{
    memkind_t kind = NULL;
    CHECK_INT(0, memkind_create_fixed(area, size, &kind));
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
        /* The kernel does not know programs of another processor. */
        const char *const runner = getenv("MEMKIND_RUN");
        char self[4096] = "test";
        char *const argv[] = {self, (char *)argument, NULL};
        if (runner != NULL) {
            const ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
            self[length > 0 ? length : 0] = '\0';
            execlp(runner, runner, self, argument, (char *)NULL);
        } else {
            execv("/proc/self/exe", argv);
        }
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

/* ---- Kinds ---- */

struct named_kind {
    const char *name;
    memkind_t *kind;
};

/* The static kinds: the place in this table is the kind's partition number. */
static const struct named_kind static_kinds[] __attribute__((unused)) = {
    {"memkind_default", &MEMKIND_DEFAULT},
    {"memkind_hbw", &MEMKIND_HBW},
    {"memkind_hbw_hugetlb", &MEMKIND_HBW_HUGETLB},
    {"memkind_hbw_preferred", &MEMKIND_HBW_PREFERRED},
    {"memkind_hbw_preferred_hugetlb", &MEMKIND_HBW_PREFERRED_HUGETLB},
    {"memkind_hugetlb", &MEMKIND_HUGETLB},
    {"memkind_hbw_gbtlb", &MEMKIND_HBW_GBTLB},
    {"memkind_hbw_preferred_gbtlb", &MEMKIND_HBW_PREFERRED_GBTLB},
    {"memkind_gbtlb", &MEMKIND_GBTLB},
    {"memkind_hbw_interleave", &MEMKIND_HBW_INTERLEAVE},
    {"memkind_interleave", &MEMKIND_INTERLEAVE},
    {"memkind_regular", &MEMKIND_REGULAR},
    {"memkind_hbw_all", &MEMKIND_HBW_ALL},
    {"memkind_hbw_all_hugetlb", &MEMKIND_HBW_ALL_HUGETLB},
    {"memkind_dax_kmem", &MEMKIND_DAX_KMEM},
    {"memkind_dax_kmem_all", &MEMKIND_DAX_KMEM_ALL},
    {"memkind_dax_kmem_preferred", &MEMKIND_DAX_KMEM_PREFERRED},
    {"memkind_dax_kmem_interleave", &MEMKIND_DAX_KMEM_INTERLEAVE},
    {"memkind_highest_capacity", &MEMKIND_HIGHEST_CAPACITY},
    {"memkind_highest_capacity_preferred", &MEMKIND_HIGHEST_CAPACITY_PREFERRED},
    {"memkind_highest_capacity_local", &MEMKIND_HIGHEST_CAPACITY_LOCAL},
    {"memkind_highest_capacity_local_preferred", &MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED},
    {"memkind_lowest_latency_local", &MEMKIND_LOWEST_LATENCY_LOCAL},
    {"memkind_lowest_latency_local_preferred", &MEMKIND_LOWEST_LATENCY_LOCAL_PREFERRED},
    {"memkind_highest_bandwidth_local", &MEMKIND_HIGHEST_BANDWIDTH_LOCAL},
    {"memkind_highest_bandwidth_local_preferred", &MEMKIND_HIGHEST_BANDWIDTH_LOCAL_PREFERRED},
};

#define N_STATIC_KINDS (sizeof(static_kinds) / sizeof(static_kinds[0]))

/* Node 0 for the kinds that few machines have memory for: on any machine they work then. */
static const char *const node_0_for_all_kinds[] __attribute__((unused)) = {
    "MEMKIND_HBW_NODES=0", "MEMKIND_DAX_KMEM_NODES=0", NULL};

/* The size of the kinds that every_kind makes. */
#define SMALL_KIND_SIZE (64 * MIB)

/* Applies `body` to each static kind that has memory of base pages, to a file-backed kind and to a
 * fixed kind. `argc` is main's: the work is done in a second run of the program, with node 0 for all
 * kinds. The huge page kinds are left out: their pools are small. */
static inline int every_kind(int argc, void (*body)(memkind_t kind))
{
    static char area[SMALL_KIND_SIZE] __attribute__((aligned(4096)));
    memkind_t kind = NULL;

    if (argc == 1) {
        return run_again("every-kind", node_0_for_all_kinds);
    }
    for (size_t i = 0; i < N_STATIC_KINDS; i++) {
        check_context = static_kinds[i].name;
        kind = *static_kinds[i].kind;
        if (strstr(check_context, "tlb") == NULL && memkind_check_available(kind) == 0) {
            body(kind);
        }
    }
    check_context = "file-backed kind";
    kind = make_pmem(test_dir(), SMALL_KIND_SIZE);
    body(kind);
    CHECK_INT(0, memkind_destroy_kind(kind));
    check_context = "fixed kind";
    kind = make_fixed(area, sizeof(area));
    body(kind);
    CHECK_INT(0, memkind_destroy_kind(kind));
    check_context = NULL;
    return 0;
}

#endif
