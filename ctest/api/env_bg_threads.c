/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_set_bg_threads: threads are there when it returns with true and are gone soon after false.
 * MEMKIND_BACKGROUND_THREAD_LIMIT bounds them; a bad value aborts when the library is loaded. */
#include "output.h"

#include <dirent.h>
#include <time.h>

static int n_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int n = 0;

    CHECK_NOT_NULL(tasks);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        n += entry->d_name[0] != '.';
    }
    closedir(tasks);
    return n;
}

static bool within_seconds(int seconds, int expected)
{
    const struct timespec pause = {0, 50 * 1000 * 1000};

    for (int i = 0; i < 20 * seconds; i++) {
        if (n_threads() == expected) {
            return true;
        }
        nanosleep(&pause, NULL);
    }
    return false;
}

static void child(const char *argument)
{
    const struct timespec second = {1, 0};

    if (strcmp(argument, "load") == 0) {
        puts("loaded");
        return;
    }
    void *block = memkind_malloc(MEMKIND_REGULAR, 1000);
    CHECK_NOT_NULL(block);
    CHECK_INT(1, n_threads());
    CHECK_INT(0, memkind_set_bg_threads(true));
    if (strcmp(argument, "one") == 0) {
        nanosleep(&second, NULL);
        CHECK_INT(2, n_threads());
    } else {
        CHECK(n_threads() > 1);
    }
    CHECK_INT(0, memkind_set_bg_threads(true));
    CHECK_INT(0, memkind_set_bg_threads(false));
    CHECK(within_seconds(2, 1));
    memkind_free(MEMKIND_REGULAR, block);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        child(argv[1]);
        return 0;
    }
    CHECK_CHILD(run_again("some", ENV("MEMKIND_BACKGROUND_THREAD_LIMIT")));
    CHECK_CHILD(run_again("some", ENV("MEMKIND_BACKGROUND_THREAD_LIMIT=0")));
    CHECK_CHILD(run_again("one", ENV("MEMKIND_BACKGROUND_THREAD_LIMIT=1")));

    static const char *const good[] = {"", "+5", "4294967295"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char variable[64];
        snprintf(variable, sizeof(variable), "MEMKIND_BACKGROUND_THREAD_LIMIT=%s", good[i]);
        CHECK_OUTPUT(0, "loaded\n", "load", ENV(variable));
    }
    static const char *const bad[] = {"-1", "abc", "1x", "0x10", "4294967296"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char variable[64], text[128];
        snprintf(variable, sizeof(variable), "MEMKIND_BACKGROUND_THREAD_LIMIT=%s", bad[i]);
        snprintf(text, sizeof(text), "MEMKIND_FATAL: Error: Wrong value of %s\n", variable);
        CHECK_OUTPUT(ABORTED, text, "load", ENV(variable));
    }
    return 0;
}
