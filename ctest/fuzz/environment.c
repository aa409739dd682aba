/* SPDX-License-Identifier: BSD-2-Clause */
/* An environment variable with any text: the program works, or ends with a line that says why. */
#include "fuzz.h"

#include <fcntl.h>
#include <signal.h>

static const char *const names[] = {
    "MEMKIND_HBW_NODES", "MEMKIND_HBW_THRESHOLD", "MEMKIND_DAX_KMEM_NODES", "MEMKIND_PREFERRED_TIES",
    "MEMKIND_INTERLEAVE", "MEMKIND_THP", "MEMKIND_ARENA_NUM_PER_KIND", "MEMKIND_OVERCOMMIT", "MEMKIND_HOG_MEMORY",
    "MEMKIND_DEBUG", "MEMKIND_BACKGROUND_THREAD_LIMIT", "MEMKIND_CHECKS", "MEMKIND_HEAP_MANAGER",
    /* Of the preload libraries. */
    "MEMKIND_MEM_TIERS", "MEMKIND_MEM_THRESHOLDS", "MEMKIND_MEM_TIERING_LOG_LEVEL", "AUTO_HBW_SIZE",
    "AUTO_HBW_MEM_TYPE", "AUTO_HBW_LOG",
};

enum { N = sizeof(names) / sizeof(names[0]), FIRST_OF_MEMTIER = 13, FIRST_OF_AUTOHBW = 16 };

void use_some_kinds(void)
{
    const memkind_t some[] = {MEMKIND_DEFAULT, MEMKIND_REGULAR, MEMKIND_HBW, MEMKIND_HBW_PREFERRED, MEMKIND_INTERLEAVE,
                              MEMKIND_DAX_KMEM};

    for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
        char *block = memkind_malloc(some[i], 5000);
        if (block != NULL) {
            fill(block, 5000, 1);
            CHECK(holds(block, 5000, 1));
            memkind_free(some[i], block);
        } else {
            CHECK_INT(ENOMEM, errno);
        }
    }
    free(malloc(2 * MIB));
}

/* Whether what was said has a line that begins as a reason does. */
static bool says_why(int file)
{
    static char text[1 << 16];
    const ssize_t length = pread(file, text, sizeof(text) - 1, 0);

    text[length < 0 ? 0 : length] = '\0';
    return strstr(text, "MEMKIND_FATAL") != NULL || strstr(text, "MEMKIND_MEM_TIERING_LOG_ERROR") != NULL ||
           strstr(text, "HBW init call FAILED") != NULL;
}

void fuzz_environment(struct input *input)
{
    const char *library = getenv("FUZZ_LIBDIR");
    const unsigned which = byte_of(input) % N;
    char text[2048], preload[4096] = "";
    size_t length = 0;

    while (input->left > 0 && length + 1 < sizeof(text)) {
        text[length++] = (char)byte_of(input);
    }
    text[length] = '\0';
    if (which >= FIRST_OF_MEMTIER) {
        if (library == NULL) {
            return;
        }
        snprintf(preload, sizeof(preload), "%s/lib%s.so.0", library, which < FIRST_OF_AUTOHBW ? "memtier" : "autohbw");
    }
    const int said = memfd_create("said", MFD_CLOEXEC);
    CHECK(said >= 0);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        char *arguments[] = {(char *)"fuzz", (char *)"use", NULL};

        alarm(30);
        dup2(said, 2);
        if (which >= FIRST_OF_MEMTIER && which < FIRST_OF_AUTOHBW) {
            setenv("MEMKIND_MEM_TIERS", which == FIRST_OF_MEMTIER + 1
                                            ? "KIND:DRAM,RATIO:1;NODE:0,RATIO:1;POLICY:DYNAMIC_THRESHOLD"
                                            : "KIND:DRAM,RATIO:1;POLICY:STATIC_RATIO", 1);
        }
        setenv(names[which], text, 1);
        if (preload[0] != '\0') {
            setenv("LD_PRELOAD", preload, 1);
        }
        execv("/proc/self/exe", arguments);
        _exit(127);
    }
    const int status = child_wait(pid);
    if (status != 0 && !(status == 128 + SIGABRT && says_why(said))) {
        char why[512] = "";
        (void)!pread(said, why, sizeof(why) - 1, 0);
        FAIL("%s=\"%s\": status %d: %s", names[which], text, status, why);
    }
    close(said);
}
