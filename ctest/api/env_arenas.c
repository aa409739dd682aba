/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMKIND_ARENA_NUM_PER_KIND is read when a kind first needs an arena. A bad value makes file-backed
 * kinds fail with a code and static kinds abort with a message; DEFAULT does not need it. What follows a number is
 * not looked at. */
#include "output.h"

static void child(const char *argument)
{
    memkind_t kind = NULL;
    const int expected = atoi(argument);
    void *block = memkind_malloc(MEMKIND_DEFAULT, 1000);

    CHECK_NOT_NULL(block);
    memkind_free(MEMKIND_DEFAULT, block);
    CHECK_INT(expected, memkind_create_pmem(test_dir(), 0, &kind));
    if (expected == 0) {
        block = memkind_malloc(kind, 1000);
        CHECK_NOT_NULL(block);
        CHECK_PTR(kind, memkind_detect_kind(block));
        CHECK_INT(0, memkind_destroy_kind(kind));
    }
    block = memkind_malloc(MEMKIND_REGULAR, 1000);
    CHECK_NOT_NULL(block);
    memkind_free(NULL, block);
}

int main(int argc, char **argv)
{
    char variable[64], text[1024], last[512];

    if (argc > 1) {
        child(argv[1]);
        return 0;
    }
    static const struct {
        const char *value, *as_number;
    } bad[] = {{"0", "0"},   {"", "0"}, {"abc", "0"}, {"-1", "18446744073709551615"}, {"2147483648", "2147483648"}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(variable, sizeof(variable), "MEMKIND_ARENA_NUM_PER_KIND=%s", bad[i].value);
        /* Difference: ours names the variable with its value, here too. */
        snprintf(last, sizeof(last), "MEMKIND_FATAL: [memkind_regular] Failed to create arena map (error code:-12).\n");
        if (!original()) {
            snprintf(last + strlen(last), sizeof(last) - strlen(last),
                     "MEMKIND_FATAL: Cannot use MEMKIND_ARENA_NUM_PER_KIND=\"%s\": it is a number from 1 to 2147483647.\n",
                     bad[i].value);
        }
        CHECK_OUTPUT(ABORTED, last, "-12", ENV(variable));
        /* Difference: ours quotes the value, the original what strtoul made of it. */
        snprintf(text, sizeof(text),
                 "MEMKIND_ERROR: Wrong MEMKIND_ARENA_NUM_PER_KIND environment value: %s.\n"
                 "MEMKIND_INFO: Initializing kind memkind_regular.\n"
                 "MEMKIND_ERROR: Wrong MEMKIND_ARENA_NUM_PER_KIND environment value: %s.\n%s",
                 original() ? bad[i].as_number : bad[i].value, original() ? bad[i].as_number : bad[i].value, last);
        CHECK_OUTPUT(ABORTED, text, "-12", ENV(variable, "MEMKIND_DEBUG=1"));
    }
    static const char *const good[] = {"1", "3", "4", "300", " 2", "+2", "4 ", "4\n", "2x", "1.5"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(variable, sizeof(variable), "MEMKIND_ARENA_NUM_PER_KIND=%s", good[i]);
        CHECK_OUTPUT(0, "", "0", ENV(variable));
    }
    /* More arenas than there can be: the original asks for all of them at once. */
    static const char *const many[] = {"5000", "2147483647"};
    for (size_t i = 0; i < sizeof(many) / sizeof(many[0]); i++) {
        snprintf(variable, sizeof(variable), "MEMKIND_ARENA_NUM_PER_KIND=%s", many[i]);
        if (original()) {
            CHECK_OUTPUT(ABORTED, "MEMKIND_FATAL: [memkind_regular] Failed to create arena map (error code:-22).\n",
                         "-22", ENV(variable));
        } else {
            CHECK_OUTPUT(0, "", "0", ENV(variable));
        }
    }
    return 0;
}
