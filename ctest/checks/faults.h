/* SPDX-License-Identifier: BSD-2-Clause */
/* Faults that are checked: each in a process of its own, which says first what it is to be told. */
#ifndef MEMKIND_CTEST_FAULTS_H
#define MEMKIND_CTEST_FAULTS_H

#include "../api/check.h"

#include <fcntl.h>
#include <memkind_ext.h>
#include <signal.h>
#include <sys/mman.h>

#define ABORTED (128 + SIGABRT)
#define SEGFAULT (128 + SIGSEGV)

/* What the process is to say first about its fault: on standard output, before it happens. */
__attribute__((format(printf, 1, 2))) static void expect(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    fflush(stdout);
}

static memkind_t kind;
static const char *name;
static volatile char sink;

/* Keeps the compiler from knowing what is done with a block. */
static inline char *hidden(void *block)
{
    char *volatile same = block;
    return same;
}

struct fault {
    const char *name;
    void (*commit)(void);
    const char *checks;
    int status;
};

static inline memkind_t make_kind(const char *sort)
{
    static char area[SMALL_KIND_SIZE] __attribute__((aligned(4096)));
    memkind_t made = NULL;

    if (strcmp(sort, "default") == 0) {
        return MEMKIND_DEFAULT;
    }
    if (strcmp(sort, "regular") == 0) {
        return MEMKIND_REGULAR;
    }
    if (strcmp(sort, "hugetlb") == 0) {
        return MEMKIND_HUGETLB;
    }
    if (strcmp(sort, "pmem") == 0) {
        return make_pmem(test_dir(), SMALL_KIND_SIZE);
    }
    if (strcmp(sort, "nodes") == 0) {
        CHECK_INT(0, memkind_create_nodes("0", MEMKIND_NODES_BIND, &made));
        return made;
    }
    if (strcmp(sort, "pinned") == 0) {
        struct memkind_config *config = memkind_config_new();

        CHECK_NOT_NULL(config);
        memkind_config_set_options(config, MEMKIND_OPTION_PIN);
        CHECK_INT(0, memkind_create_with_config(config, &made));
        memkind_config_delete(config);
        return made;
    }
    CHECK_INT(0, memkind_create_fixed(area, sizeof(area), &made));
    return made;
}

/* What the kind calls itself: the bytes that programs of the original read (the layout is tested elsewhere). */
static inline const char *name_of(const char *sort)
{
    static char text[64];

    if (strcmp(sort, "default") == 0 || strcmp(sort, "regular") == 0 || strcmp(sort, "hugetlb") == 0) {
        snprintf(text, sizeof(text), "memkind_%s", sort);
        return text;
    }
    return (const char *)kind + 12;
}

static inline size_t first_line(int fd, char *line, size_t size)
{
    size_t length = 0;

    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    while (length + 1 < size && read(fd, &line[length], 1) == 1 && line[length] != '\n') {
        length++;
    }
    line[length] = '\0';
    return length;
}

static inline void in_process(const char *sort, const struct fault *faults, size_t index)
{
    const struct fault *fault = &faults[index];
    char argument[40], variable[64], said[1000], expected[1000];
    const char *const changes[] = {variable, "MEMKIND_DEBUG", NULL};
    const int saved[] = {dup(1), dup(2)};
    const int files[] = {open(test_dir(), O_TMPFILE | O_RDWR, 0600), open(test_dir(), O_TMPFILE | O_RDWR, 0600)};
    int status;

    CHECK(files[0] >= 0 && files[1] >= 0);
    snprintf(argument, sizeof(argument), "%s:%zu", sort, index);
    snprintf(variable, sizeof(variable), "MEMKIND_CHECKS=%s", fault->checks);
    fflush(NULL);
    dup2(files[0], 1);
    dup2(files[1], 2);
    status = run_again(argument, changes);
    dup2(saved[0], 1);
    dup2(saved[1], 2);
    first_line(files[0], expected, sizeof(expected));
    first_line(files[1], said, sizeof(said));
    CHECK_STR(expected, said);
    CHECK_INT(fault->status, status);
    for (int i = 0; i < 2; i++) {
        close(files[i]);
        close(saved[i]);
    }
}

/* Commits the fault that the argument names, SORT:INDEX. */
static inline void commit(char *argument, const struct fault *faults)
{
    char *colon = strchr(argument, ':');
    const size_t index = strtoul(colon + 1, NULL, 10);

    *colon = '\0';
    /* Nothing of this program's own is to be alive at the end. */
    setvbuf(stdout, NULL, _IONBF, 0);
    kind = make_kind(argument);
    name = name_of(argument);
    faults[index].commit();
}

#endif
