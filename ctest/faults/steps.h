/* SPDX-License-Identifier: BSD-2-Clause */
/* The program that inject runs: what its steps have in common. A call of a step may fail as it is documented to, if
 * a fault was injected into it; made again without faults it succeeds. */
#ifndef MEMKIND_CTEST_FAULTS_STEPS_H
#define MEMKIND_CTEST_FAULTS_STEPS_H

#include "check.h"

#include "calls.h"

#include <fcntl.h>
#include <memkind_ext.h>
#include <sys/prctl.h>
#include <sys/stat.h>

/* Whether calls may fail at present. */
extern bool may_fail;
/* Whether this is the run without failures. */
extern bool is_first;
/* Whether a fault has said that the system is not as it is: a kind may then be missing from there on, which ends
 * the step. */
extern bool told_facts;
/* Whether munmap(2) has failed. */
extern bool kept_addresses;
/* Calls that have failed so far. */
extern int n_faults;
/* The directory for file-backed kinds. */
extern const char *directory;

static inline void faults_on(void)
{
    if (may_fail) {
        prctl(FAULTS_MARK, 1, 0, 0, 0);
    }
    errno = 0;
}

/* How many calls have failed since the last time. Keeps errno. */
static inline int faults_off(void)
{
    const int before = errno;
    const int n = prctl(FAULTS_MARK, 0, 0, 0, 0);

    errno = before;
    if (n > 0 && (n & FAULTS_FACT) != 0) {
        told_facts = true;
    }
    if (n > 0 && (n & FAULTS_KEPT) != 0) {
        kept_addresses = true;
    }
    n_faults += n < 0 ? 0 : n & ~(FAULTS_FACT | FAULTS_KEPT);
    return n < 0 ? 0 : n & ~(FAULTS_FACT | FAULTS_KEPT);
}

/* Makes a call: `good` tells of a success, `documented` of a failure that a fault may lead to. Kinds that take
 * slabs refuse for a moment what could not be had: a part of the time that the attempt took. */
#define ATTEMPT(call, good, documented)                                                        \
    do {                                                                                       \
        faults_on();                                                                           \
        call;                                                                                  \
        const int n_ = faults_off();                                                           \
        if (!(good)) {                                                                         \
            if (n_ == 0 && n_faults == 0 && !told_facts) {                                                      \
                FAIL("without a fault: %s (errno %d)", #call, errno);                          \
            }                                                                                  \
            if (!(documented)) {                                                               \
                FAIL("not as documented: %s (errno %d, code %d)", #call, errno, code);         \
            }                                                                                  \
            for (int again_ = 0; !(good) && again_ < 12; again_++) {                            \
                usleep(again_ * 20000u);                                                       \
                errno = 0;                                                                     \
                call;                                                                          \
            }                                                                                  \
            if (!(good) && told_facts && (documented)) {                                       \
                _exit(0);                                                                      \
            }                                                                                  \
            if (!(good)) {                                                                     \
                FAIL("after %d faults, and again: %s (errno %d, code %d)", n_, #call, errno, code); \
            }                                                                                  \
        }                                                                                      \
    } while (0)

/* The last code of a step, for messages. */
extern int code;

/* A call whose result is a code. */
#define CODE(call, documented) ATTEMPT(code = (call), code == 0, documented)
/* A call that cannot fail. */
#define ALWAYS(call) CODE(call, false)
/* A call that has no result. */
#define QUIET(call) \
    do {            \
        faults_on();\
        call;       \
        faults_off();\
    } while (0)
/* A call whose result is memory. */
#define BLOCK(block, call) ATTEMPT(block = (call), (block) != NULL, errno == ENOMEM)

#define IS(...) is_one_of(code, (const int[]){__VA_ARGS__, 1})

static inline bool is_one_of(int value, const int *list)
{
    while (*list != 1 && *list != value) {
        list++;
    }
    return *list == value;
}

/* The codes of functions that make kinds. */
#define NO_KIND IS(MEMKIND_ERROR_MALLOC, MEMKIND_ERROR_ARENAS_CREATE, MEMKIND_ERROR_TOOMANY)

/* Some bytes of a block, those at its ends among them. */
static inline void write_to(void *block, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i += 509) {
        ((unsigned char *)block)[i] = (unsigned char)(seed + i * 7);
    }
    ((unsigned char *)block)[size - 1] = (unsigned char)seed;
}

static inline bool has(const void *block, size_t size, unsigned seed)
{
    const unsigned char *bytes = block;

    for (size_t i = 0; i < size - 1; i += 509) {
        if (bytes[i] != (unsigned char)(seed + i * 7)) {
            return false;
        }
    }
    return bytes[size - 1] == (unsigned char)seed;
}

/* Allocates, resizes and frees in a kind, up to blocks of `largest` bytes. */
void use_kind(memkind_t kind, size_t largest);

void step_default(void);
void step_static(void);
void step_hwloc(void);
void step_huge(void);
void step_pmem(void);
void step_full(void);
void step_fixed(void);
void step_nodes(void);
void step_described(void);
void step_shared(void);
void step_stats(void);
void step_tiers(void);
void step_hbw(void);
void step_fork(void);
void step_threads(void);
void step_pool(void);
void step_vector(void);
void step_region(void);
void step_map(void);
void step_dma(void);

#endif
