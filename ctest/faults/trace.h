/* SPDX-License-Identifier: BSD-2-Clause */
/* A run of a program in which some of its system calls fail. */
#ifndef MEMKIND_CTEST_FAULTS_TRACE_H
#define MEMKIND_CTEST_FAULTS_TRACE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "calls.h"

#include <stdbool.h>

enum mode { ONCE, ROW, EVER };

/* The fault of a run: from the n-th of these calls on, counted from 1. Without a call: none, all are counted. */
struct plan {
    const struct call *call;
    int error;
    enum mode mode;
    long n;
};

struct outcome {
    int status; /* as of waitpid */
    bool hung;
    unsigned long n_faults;
    unsigned long counts[N_CALLS]; /* without a fault only: how often the library made each call */
    long unknown;                  /* a system call without a row, or -1 */
};

/* Runs the program with these files as its output. False where it cannot be traced. */
bool trace(const struct plan *plan, char **program, int out, int err, unsigned seconds, struct outcome *outcome);

#endif
