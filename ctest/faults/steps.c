/* SPDX-License-Identifier: BSD-2-Clause */
/* A program for inject: one step of a program's life, some calls of which fail, then again without failures; then
 * the process has no more descriptors, mappings and files than one in which no call failed.
 *
 * usage: steps STEP DIRECTORY FIGURES
 *   DIRECTORY  an empty one of its own      FIGURES  a file, which does not exist before the run without failures
 * Exit status: 0 passed, 1 failed, 77 skipped. */
#include "steps.h"

#include <dirent.h>

/* What heaps reserve besides when a part of what they asked for was refused. */
#define SOME_BYTES (48 * MIB)
/* What may be resident besides where addresses could not be given back. */
#define SOME_RESIDENT (8 * MIB)

bool may_fail, is_first, told_facts, kept_addresses;
int n_faults;
const char *directory;
int code;

static const struct {
    const char *name;
    void (*run)(void);
} steps[] = {
    {"default", step_default}, {"static", step_static},       {"huge", step_huge},     {"pmem", step_pmem},
    {"full", step_full},       {"fixed", step_fixed},         {"nodes", step_nodes},   {"described", step_described},
    {"shared", step_shared},   {"stats", step_stats},         {"tiers", step_tiers},   {"hbw", step_hbw},
    {"fork", step_fork},       {"threads", step_threads},     {"pool", step_pool},     {"vector", step_vector},
    {"region", step_region},   {"map", step_map},             {"dma", step_dma},       {"hwloc", step_hwloc},
};

/* What the process holds. */
struct figures {
    size_t n_descriptors, n_mappings, bytes, resident, n_files, blocks;
};

static size_t entries(const char *path)
{
    DIR *opened = opendir(path);
    size_t n = 0;

    CHECK_NOT_NULL(opened);
    while (readdir(opened) != NULL) {
        n++;
    }
    closedir(opened);
    return n;
}

/* Bytes of files that have no name any more, but are mapped or open. */
static size_t nameless_blocks(void)
{
    char path[64];
    struct stat status;
    size_t blocks = 0;

    for (int fd = 3; fd < 256; fd++) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        if (stat(path, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 0) {
            blocks += (size_t)status.st_blocks * 512;
        }
    }
    return blocks;
}

static size_t resident(void)
{
    char text[128] = "";
    const int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    unsigned long pages = 0;

    CHECK(file >= 0 && read(file, text, sizeof(text) - 1) > 0);
    close(file);
    CHECK_INT(1, sscanf(text, "%*u %lu", &pages));
    return pages * 4096;
}

static struct figures measure(void)
{
    static char text[1 << 20];
    const int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    struct figures figures = {0};
    size_t length = 0;

    CHECK(file >= 0);
    for (ssize_t more; (more = read(file, &text[length], sizeof(text) - 1 - length)) > 0;) {
        length += (size_t)more;
    }
    close(file);
    text[length] = '\0';
    for (const char *line = text; line != NULL && *line != '\0';) {
        unsigned long from, to;

        CHECK_INT(2, sscanf(line, "%lx-%lx", &from, &to));
        figures.n_mappings++;
        /* The C library reserves addresses for the heaps of threads. */
        figures.bytes += line[strcspn(line, " ") + 1] == 'r' ? to - from : 0;
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    figures.resident = resident();
    figures.n_descriptors = entries("/proc/self/fd");
    figures.n_files = entries(directory);
    figures.blocks = nameless_blocks();
    return figures;
}

/* What a process holds in which no call failed: in a file, which the first process makes. */
static struct figures usual_figures(const char *path, const struct figures *here)
{
    struct figures usual = *here;
    const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    CHECK(file >= 0);
    if (read(file, &usual, sizeof(usual)) == 0) {
        CHECK_INT(sizeof(usual), write(file, &usual, sizeof(usual)));
    }
    close(file);
    return usual;
}

int main(int argc, char **argv)
{
    void (*run)(void) = NULL;
    struct figures figures, usual;

    for (size_t i = 0; argc == 4 && i < sizeof(steps) / sizeof(steps[0]); i++) {
        run = strcmp(steps[i].name, argv[1]) == 0 ? steps[i].run : run;
    }
    if (run == NULL) {
        fprintf(stderr, "usage: steps STEP DIRECTORY FIGURES\n");
        return 2;
    }
    directory = argv[2];
    is_first = access(argv[3], F_OK) != 0;
    faults_off();
    may_fail = true;
    run();
    may_fail = false;
    run();
    figures = measure();
    usual = usual_figures(argv[3], &figures);
    CHECK_INT(2, figures.n_files);
    /* libhwloc forgets descriptors for which fdopen(3) or fdopendir(3) fails. */
    if (figures.n_descriptors > usual.n_descriptors && run != step_hwloc) {
        FAIL("%zu descriptors, usually %zu", figures.n_descriptors, usual.n_descriptors);
    }
    if (figures.blocks > usual.blocks) {
        FAIL("%zu bytes of files, usually %zu", figures.blocks, usual.blocks);
    }
    if (kept_addresses && figures.resident > usual.resident + SOME_RESIDENT) {
        FAIL("%zu bytes resident, usually %zu", figures.resident, usual.resident);
    }
    if (!kept_addresses && figures.bytes > usual.bytes + SOME_BYTES) {
        FAIL("%zu mappings, usually %zu, of %zu bytes, usually %zu", figures.n_mappings, usual.n_mappings,
             figures.bytes, usual.bytes);
    }
    return 0;
}
