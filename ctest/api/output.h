/* SPDX-License-Identifier: BSD-2-Clause */
/* What a fresh process of this program prints, for the tests of messages and environment variables. */
#ifndef MEMKIND_CTEST_OUTPUT_H
#define MEMKIND_CTEST_OUTPUT_H

#include "check.h"

struct output {
    int status;
    size_t length;
    char text[256 * 1024];
};

/* For the `changes` of run_again. */
#define ENV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_ENV ((const char *const[]){NULL})

/* Runs this program again as run_again does and keeps its status and all that it writes to standard
 * output and standard error, in the order of writing. The result is valid until the next call. */
static inline const struct output *output_of(const char *argument, const char *const changes[])
{
    static struct output output;
    int ends[2];

    CHECK_INT(0, pipe(ends));
    fflush(NULL);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        _exit(run_again(argument, changes));
    }
    close(ends[1]);
    output.length = 0;
    ssize_t got;
    while ((got = read(ends[0], output.text + output.length, sizeof(output.text) - 1 - output.length)) > 0) {
        output.length += (size_t)got;
    }
    close(ends[0]);
    output.text[output.length] = '\0';
    output.status = child_wait(pid);
    return &output;
}

static inline void check_output(const char *file, int line, int status, const char *text,
                                const struct output *output)
{
    check_str(file, line, "output", text, output->text);
    check_int(file, line, "exit status", status, output->status);
}

/* The fresh process must end with this status and print exactly this text. */
#define CHECK_OUTPUT(status, text, argument, changes) \
    check_output(__FILE__, __LINE__, status, text, output_of(argument, changes))

/* abort() as a status of run_again. */
#define ABORTED (128 + 6)

#endif
