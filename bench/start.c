/* SPDX-License-Identifier: BSD-2-Clause */
/* Starts programs in turn, in another order each time, and prints the CPU time of each start in microseconds, from fork to exit.
 *
 * usage: start ROUNDS [NAME=VALUE...] PROGRAM [-- [NAME=VALUE...] PROGRAM]...
 * Prints a line per round, a number per program.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 32 };

static long run(char **words, int n)
{
    char *environment[16];
    char *program[2] = {NULL, NULL};
    int n_environment = 0;
    for (int i = 0; i < n; i++) {
        if (strchr(words[i], '=') != NULL && n_environment < 15) {
            environment[n_environment++] = words[i];
        } else {
            program[0] = words[i];
        }
    }
    environment[n_environment] = NULL;
    pid_t pid;
    int status;
    struct rusage usage;
    if (program[0] == NULL || posix_spawn(&pid, program[0], NULL, NULL, program, environment) != 0 ||
        wait4(pid, &status, 0, &usage) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "start: %s failed\n", program[0] != NULL ? program[0] : "nothing");
        exit(1);
    }
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000L + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        return 2;
    }
    int first[MOST], last[MOST], order[MOST], n = 0;
    for (int i = 2; i < argc && n < MOST; i = last[n++] + 1) {
        first[n] = last[n] = i;
        order[n] = n;
        while (last[n] < argc && strcmp(argv[last[n]], "--") != 0) {
            last[n]++;
        }
    }
    for (long round = strtol(argv[1], NULL, 10); round > 0; round--) {
        long took[MOST];
        for (int left = n; left > 0; left--) {
            int at = (int)(random() % left), program = order[at];
            order[at] = order[left - 1];
            order[left - 1] = program;
            took[program] = run(argv + first[program], last[program] - first[program]);
        }
        for (int i = 0; i < n; i++) {
            printf("%ld%c", took[i], i + 1 < n ? ' ' : '\n');
        }
    }
    return 0;
}
