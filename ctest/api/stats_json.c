/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_stats_print with the JSON option prints one valid document and nothing else, with the parts
 * that the option bits leave. */
#include "check.h"

#include <ctype.h>

static char report[1024 * KIB];
static size_t report_length;

static void append(void *opaque, const char *text)
{
    const size_t length = strlen(text);

    (void)opaque;
    CHECK(report_length + length < sizeof(report));
    memcpy(report + report_length, text, length + 1);
    report_length += length;
}

static const char *print(int options)
{
    report_length = 0;
    CHECK_INT(0, memkind_stats_print(append, NULL, (memkind_stat_print_opt)(options | 1)));
    return report;
}

/* A JSON value begins at `at`; the result is what follows it. */
static const char *value(const char *at);

static const char *blanks(const char *at)
{
    while (isspace((unsigned char)*at)) {
        at++;
    }
    return at;
}

static const char *string(const char *at)
{
    CHECK_INT('"', *at);
    for (at++; *at != '"'; at++) {
        CHECK((unsigned char)*at >= ' ');
        if (*at == '\\') {
            at++;
            CHECK(*at != '\0');
        }
    }
    return at + 1;
}

static const char *members(const char *at, char end, bool named)
{
    at = blanks(at + 1);
    if (*at == end) {
        return at + 1;
    }
    for (;;) {
        if (named) {
            at = blanks(string(blanks(at)));
            CHECK_INT(':', *at);
            at++;
        }
        at = blanks(value(at));
        if (*at == end) {
            return at + 1;
        }
        CHECK_INT(',', *at);
        at++;
    }
}

static const char *value(const char *at)
{
    static const char *const words[] = {"true", "false", "null"};
    char *end;

    at = blanks(at);
    if (*at == '{') {
        return members(at, '}', true);
    }
    if (*at == '[') {
        return members(at, ']', false);
    }
    if (*at == '"') {
        return string(at);
    }
    for (size_t i = 0; i < 3; i++) {
        if (strncmp(at, words[i], strlen(words[i])) == 0) {
            return at + strlen(words[i]);
        }
    }
    CHECK(*at == '-' || isdigit((unsigned char)*at));
    strtod(at, &end);
    return end;
}

static void check_document(const char *document)
{
    CHECK_INT('{', document[0]);
    CHECK_STR("", blanks(value(document)));
}

static bool has_numbered_arena(const char *document)
{
    for (const char *at = document; (at = strchr(at, '"')) != NULL; at++) {
        const char *end = at + 1 + strspn(at + 1, "0123456789");
        if (end > at + 1 && *end == '"' && *blanks(end + 1) == ':' && *blanks(blanks(end + 1) + 1) == '{') {
            return true;
        }
    }
    return false;
}

int main(void)
{
    static const char *const parts[] = {"\"version\"", "\"merged\"",   "\"bins\"",
                                        "lextents",    "\"mutexes\"", "\"extents\""};
    memkind_t pmem = make_pmem(test_dir(), 0);
    void *block = memkind_malloc(MEMKIND_REGULAR, 5000);

    CHECK_NOT_NULL(block);
    CHECK_NOT_NULL(memkind_malloc(pmem, 5000));
    CHECK_INT(0, memkind_destroy_kind(pmem));

    for (int bit = 0; bit <= MEMKIND_STAT_PRINT_OMIT_EXTENT; bit = bit ? 2 * bit : 2) {
        check_document(print(bit));
    }
    print(0);
    CHECK(has_numbered_arena(report));
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (strstr(report, parts[i]) == NULL) {
            FAIL("%s is missing from the whole report", parts[i]);
        }
    }
    CHECK(!has_numbered_arena(print(MEMKIND_STAT_PRINT_OMIT_PER_ARENA)));

    print(0x1fe); /* All that can be left out. */
    check_document(report);
    CHECK(strncmp(report, "{\"jemalloc\":{\"stats\":{", 22) == 0);
    CHECK(!has_numbered_arena(report));
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (strstr(report, parts[i]) != NULL) {
            FAIL("%s is in the shortest report", parts[i]);
        }
    }
    CHECK_NULL(strstr(report, "destroyed"));
    CHECK_NULL(strstr(report, "mutex"));
    CHECK_NULL(strstr(report, "version"));
    memkind_free(MEMKIND_REGULAR, block);
    return 0;
}
