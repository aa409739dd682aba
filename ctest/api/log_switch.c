/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMKIND_DEBUG: exactly "1" turns messages on; another value gives one warning at the first message
 * that would be printed, and silence. DEFAULT alone prints nothing. */
#include "output.h"

static void child(const char *argument)
{
    memkind_t kind = strcmp(argument, "default") == 0 ? MEMKIND_DEFAULT : MEMKIND_REGULAR;
    void *block = memkind_malloc(kind, 100);

    CHECK_NOT_NULL(block);
    memkind_free(kind, block);
    block = memkind_malloc(kind, 10 * MIB);
    CHECK_NOT_NULL(block);
    memkind_free(NULL, block);
    if (strcmp(argument, "zero") == 0) {
        CHECK_NULL(memkind_malloc(MEMKIND_INTERLEAVE, 0));
    }
    if (strcmp(argument, "error") == 0) {
        CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_pmem("/nonexistent", 0, &kind));
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        child(argv[1]);
        return 0;
    }
    CHECK_OUTPUT(0, "", "error", ENV("MEMKIND_DEBUG"));
    CHECK_OUTPUT(0, "", "default", ENV("MEMKIND_DEBUG=1"));
    CHECK_OUTPUT(0, "MEMKIND_INFO: Initializing kind memkind_regular.\n", "regular", ENV("MEMKIND_DEBUG=1"));
    CHECK_OUTPUT(0, "MEMKIND_INFO: Initializing kind memkind_regular.\n"
                    "MEMKIND_INFO: Initializing kind memkind_interleave.\n", "zero", ENV("MEMKIND_DEBUG=1"));
    CHECK_OUTPUT(0, "MEMKIND_INFO: Initializing kind memkind_regular.\n"
                    "MEMKIND_ERROR: Could not create temporary file: errno=2.\n", "error", ENV("MEMKIND_DEBUG=1"));

    static const char *const unknown[] = {"", "0", "2", "-1", "true", "11", " 1"};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        char variable[32], text[256];

        snprintf(variable, sizeof(variable), "MEMKIND_DEBUG=%s", unknown[i]);
        snprintf(text, sizeof(text),
                 "MEMKIND_WARNING: debug option \"%s\" unknown; Try man memkind for available options.\n",
                 unknown[i]);
        CHECK_OUTPUT(0, "", "default", ENV(variable));
        CHECK_OUTPUT(0, text, "error", ENV(variable));
        /* What is always printed still is, after the warning. */
        strcat(text, "MEMKIND_FATAL: Error: Wrong value of MEMKIND_BACKGROUND_THREAD_LIMIT=-1\n");
        CHECK_OUTPUT(ABORTED, text, "default", ENV(variable, "MEMKIND_BACKGROUND_THREAD_LIMIT=-1"));
    }
    return 0;
}
