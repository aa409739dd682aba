/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_stats_print: where the report goes, its frame, its parts per option bit, and what it refuses. */
#include "output.h"

#include <sys/syscall.h>

#define BEGIN "___ Begin jemalloc statistics ___\n"
#define END "--- End jemalloc statistics ---\n"

static char report[1024 * KIB];
static size_t report_length;
static int opaque;

static void append(void *received, const char *text)
{
    const size_t length = strlen(text);

    CHECK_PTR(&opaque, received);
    CHECK(report_length + length < sizeof(report));
    memcpy(report + report_length, text, length + 1);
    report_length += length;
}

static void write_to_bad_descriptor(void *received, const char *text)
{
    (void)received;
    CHECK_INT(-1, syscall(SYS_write, -1, text, strlen(text)));
    report_length++;
}

static const char *print(int options)
{
    report_length = 0;
    report[0] = '\0';
    CHECK_INT(0, memkind_stats_print(append, &opaque, (memkind_stat_print_opt)options));
    return report;
}

static void check_frame(const char *text, size_t length)
{
    CHECK(strncmp(text, BEGIN, strlen(BEGIN)) == 0);
    CHECK(length > strlen(BEGIN) + strlen(END));
    CHECK_STR(END, text + length - strlen(END));
}

static void check_parts(void)
{
    static const struct {
        int option;
        const char *part;
    } parts[] = {
        {MEMKIND_STAT_PRINT_OMIT_GENERAL, "\nVersion: "},
        {MEMKIND_STAT_PRINT_OMIT_MERGED_ARENA, "\nMerged arenas stats:"},
        {MEMKIND_STAT_PRINT_OMIT_PER_ARENA, "\narenas["},
        {MEMKIND_STAT_PRINT_OMIT_PER_SIZE_CLASS_BINS, "\nbins: "},
        {MEMKIND_STAT_PRINT_OMIT_PER_SIZE_CLASS_LARGE, "\nlarge:  "},
        {MEMKIND_STAT_PRINT_OMIT_MUTEX, "n_lock_ops"},
        {MEMKIND_STAT_PRINT_OMIT_EXTENT, "\nextents: "},
    };
    const size_t n_parts = sizeof(parts) / sizeof(parts[0]);

    for (size_t i = 0; i < n_parts; i++) {
        print(parts[i].option);
        check_frame(report, report_length);
        for (size_t j = 0; j < n_parts; j++) {
            const bool found = strstr(report, parts[j].part) != NULL;
            /* "large:  " is also the first word of a line that every arena prints. */
            if (found != (i != j) && parts[j].option != MEMKIND_STAT_PRINT_OMIT_PER_SIZE_CLASS_LARGE) {
                FAIL("option %d: \"%s\" found: %d", parts[i].option, parts[j].part, found);
            }
        }
    }
    CHECK(strstr(print(0), "\nlarge:          size ") != NULL);
    CHECK_NULL(strstr(print(MEMKIND_STAT_PRINT_OMIT_PER_SIZE_CLASS_LARGE), "\nlarge:          size "));
    CHECK_NULL(strstr(print(MEMKIND_STAT_PRINT_OMIT_DESTROYED_MERGED_ARENA), "\nDestroyed arenas stats:"));
}

int main(int argc, char **argv)
{
    (void)argv;
    memkind_t pmem = make_pmem(test_dir(), 0);
    void *block = memkind_malloc(MEMKIND_REGULAR, 5000);

    CHECK_NOT_NULL(block);
    CHECK_NOT_NULL(memkind_malloc(pmem, 5000));
    CHECK_INT(0, memkind_destroy_kind(pmem));
    if (argc > 1) {
        CHECK_INT(0, memkind_stats_print(NULL, &opaque, MEMKIND_STAT_PRINT_ALL));
        return 0;
    }
    static const int unknown[] = {512, 1024, 512 | 1, -1};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        report_length = 0;
        CHECK_INT(MEMKIND_ERROR_INVALID, memkind_stats_print(append, &opaque, (memkind_stat_print_opt)unknown[i]));
        CHECK_INT(0, report_length);
    }
    print(MEMKIND_STAT_PRINT_ALL);
    check_frame(report, report_length);
    check_parts();
    report_length = 0;
    CHECK_INT(0, memkind_stats_print(write_to_bad_descriptor, NULL, MEMKIND_STAT_PRINT_ALL));
    CHECK(report_length > 0);

    const struct output *output = output_of("to-stderr", NO_ENV);
    CHECK_INT(0, output->status);
    check_frame(output->text, output->length);
    memkind_free(MEMKIND_REGULAR, block);
    return 0;
}
