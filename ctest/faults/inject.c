/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs a program again and again, and in each run lets a system call of this library's fail: the n-th of its sort,
 * for n = 1, 2, 3 ... until the program makes no n-th, with each error that the call can have, once, three times
 * in a row, and from then on. A fault is survived if the program ends as it does without it, or as -a allows.
 *
 * usage: inject [options] program [argument...]
 *   -a REGEX     the program may also end otherwise, but not by a signal but SIGABRT, if its standard error matches
 *   -c CALL      only this system call           -e ERROR     only this error (a number)
 *   -m MODE      only once, row, or ever         -n N         only the N-th call
 *   -k K         a slice: each K-th of the cases -t SECONDS   longer is hung (default 120)
 *   -v           say each case
 *
 * Which calls are the library's: those made by code of libmemkind, libmemtier and libautohbw, those of the C
 * library that such code calls; but from the first FAULTS_MARK of a program on, all between two of them.
 * Exit status: 0 all survived, 1 some not, 77 the machine forbids tracing. */
#include "trace.h"

#include <getopt.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const mode_names[] = {"once", "row", "ever"};

static struct {
    const char *allowed, *call;
    int error, mode;
    long n, slice;
    unsigned seconds;
    bool loud;
} options = {.mode = -1, .slice = 1, .seconds = 120};

static regex_t allowed;
static char **program;
/* What the program prints without a fault, and what it printed last. */
static char expected[1 << 16], printed[1 << 16], said[1 << 16];
static unsigned long n_runs, n_faults, n_failures;

static void contents(int file, char *text, size_t size)
{
    const ssize_t length = pread(file, text, size - 1, 0);

    text[length < 0 ? 0 : length] = '\0';
}

/* One run; whether it ended well. */
static bool run(const struct plan *plan, struct outcome *outcome, char *reason, size_t size)
{
    const int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
    bool well;

    if (out < 0 || err < 0 || !trace(plan, program, out, err, options.seconds, outcome)) {
        printf("tracing is not possible here: %s\n", strerror(errno));
        exit(77);
    }
    contents(out, printed, sizeof(printed));
    contents(err, said, sizeof(said));
    close(out);
    close(err);
    n_runs++;
    n_faults += outcome->n_faults;
    well = outcome->status == 0 && (plan->call == NULL || strcmp(printed, expected) == 0);
    if (!well && !outcome->hung && options.allowed != NULL && regexec(&allowed, said, 0, NULL, 0) == 0) {
        well = WIFEXITED(outcome->status) || WTERMSIG(outcome->status) == SIGABRT;
    }
    if (outcome->hung) {
        snprintf(reason, size, "hung");
    } else if (outcome->status == 0) {
        snprintf(reason, size, "printed something else");
    } else {
        snprintf(reason, size, "%s %d: %.1500s",
                 WIFEXITED(outcome->status) ? "exit status" : "signal",
                 WIFEXITED(outcome->status) ? WEXITSTATUS(outcome->status) : WTERMSIG(outcome->status), said);
    }
    return well;
}

/* One case: whether the program made that call at all. */
static bool inject(const struct call *call, int error, enum mode mode, long n)
{
    const struct plan plan = {call, error, mode, n};
    struct outcome outcome;
    char reason[2000];

    if (options.loud) {
        printf("%s %ld, %s, %s\n", call->name, n, strerrorname_np(error), mode_names[mode]);
        fflush(stdout);
    }
    if (!run(&plan, &outcome, reason, sizeof(reason))) {
        printf("-c %s -e %d -m %s -n %ld (%s, %lu faults): %s\n", call->name, error, mode_names[mode], n,
               strerrorname_np(error), outcome.n_faults, reason);
        fflush(stdout);
        n_failures++;
    }
    return outcome.n_faults > 0;
}

/* All cases of a call, of which the program made `usual` without faults. */
static void sweep(const struct call *call, unsigned long usual)
{
    static long number;

    for (size_t i = 0; i < sizeof(call->errors) / sizeof(call->errors[0]) && call->errors[i] != 0; i++) {
        for (int mode = ONCE; mode <= EVER; mode++) {
            const int error = call->errors[i];

            if ((options.error != 0 && options.error != error) || (options.mode >= 0 && options.mode != mode) ||
                (call->manner == NOT_EVER && mode != ONCE) || (error == EINTR && mode == EVER)) {
                continue;
            }
            if (options.n != 0) {
                inject(call, error, mode, options.n);
                continue;
            }
            /* With a slice, faults that are there only by chance are left out. */
            for (long n = 1; options.slice == 1 || n <= (long)usual; n++) {
                if (number++ % options.slice == 0 && !inject(call, error, mode, n)) {
                    break;
                }
            }
        }
    }
}

static const struct call *call_named(const char *name)
{
    for (size_t i = 0; i < N_CALLS; i++) {
        if (strcmp(calls[i].name, name) == 0) {
            return &calls[i];
        }
    }
    fprintf(stderr, "inject: calls.h has no row for %s\n", name);
    exit(2);
}

static void parse(int argc, char **argv)
{
    for (int option; (option = getopt(argc, argv, "+a:c:e:m:n:k:t:v")) != -1;) {
        switch (option) {
        case 'a': options.allowed = optarg; break;
        case 'c': options.call = optarg; break;
        case 'e': options.error = atoi(optarg); break;
        case 'n': options.n = atol(optarg); break;
        case 'k': options.slice = atol(optarg); break;
        case 't': options.seconds = (unsigned)atoi(optarg); break;
        case 'v': options.loud = true; break;
        case 'm':
            for (int i = 0; i < 3; i++) {
                options.mode = strcmp(optarg, mode_names[i]) == 0 ? i : options.mode;
            }
            break;
        default: exit(2);
        }
    }
    program = &argv[optind];
    if (*program == NULL || options.slice < 1 ||
        (options.allowed != NULL && regcomp(&allowed, options.allowed, REG_EXTENDED | REG_NOSUB | REG_NEWLINE) != 0)) {
        fprintf(stderr, "usage: inject [options] program [argument...]\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    const struct plan none = {NULL, 0, ONCE, 0};
    struct outcome usual;
    char reason[2000];

    parse(argc, argv);
    if (!run(&none, &usual, reason, sizeof(reason))) {
        if (WIFEXITED(usual.status) && WEXITSTATUS(usual.status) == 77) {
            printf("%s", printed);
            return 77;
        }
        printf("without a fault: %s\n", reason);
        return 1;
    }
    memcpy(expected, printed, sizeof(expected));
    if (usual.unknown >= 0) {
        printf("calls.h has no row for the system call of number %ld\n", usual.unknown);
        return 1;
    }
    for (size_t i = 0; i < N_CALLS; i++) {
        if (calls[i].manner != NEVER && usual.counts[i] > 0 &&
            (options.call == NULL || call_named(options.call) == &calls[i])) {
            sweep(&calls[i], usual.counts[i]);
        }
    }
    printf("%lu runs, %lu faults, %lu failures\n", n_runs, n_faults, n_failures);
    return n_failures > 0 || n_faults == 0;
}
