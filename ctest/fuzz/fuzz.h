/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzzing: a target reads bytes as instructions and fails if the library does what it may not. */
#ifndef MEMKIND_CTEST_FUZZ_H
#define MEMKIND_CTEST_FUZZ_H

#include "check.h"

#include <memkind_ext.h>

/* The bytes of an input. At the end there are zeroes. */
struct input {
    const unsigned char *bytes;
    size_t left;
};

static inline unsigned byte_of(struct input *input)
{
    if (input->left == 0) {
        return 0;
    }
    input->left--;
    return *input->bytes++;
}

/* A number of any magnitude, often near a power of two. */
static inline size_t number_of(struct input *input)
{
    const unsigned shift = byte_of(input) % 64, low = byte_of(input);

    return ((size_t)1 << shift) + low - 128 * (low % 2);
}

/* Operations on blocks of kinds of every sort, against a model. */
void fuzz_operations(struct input *input);
/* The settings of kinds by description. */
void fuzz_settings(struct input *input);
/* An environment variable, and a program that then uses kinds: a process of its own. */
void fuzz_environment(struct input *input);
/* The program of fuzz_environment. */
void use_some_kinds(void);

#endif
