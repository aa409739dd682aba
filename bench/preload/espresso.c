/* SPDX-License-Identifier: BSD-2-Clause */
/* Minimises Boolean functions as two-level logic minimisers do: covers are lists of cubes, every cube a
 * block of its own, and most cubes live briefly: they are expanded against the off-set, dropped when
 * another one covers them, complemented by recursion over cofactors.
 * usage: espresso COUNT: that many functions. */
#include "workload.h"

enum { VARIABLES = 14 };

/* Bit v of `zero` (`one`): variable v may be 0 (1). The text is what a reader of the cube would print: it
 * gives cubes the changing sizes that they have with many outputs. */
typedef struct cube {
    struct cube *next;
    uint32_t zero, one;
    char text[];
} cube;

static const uint32_t ALL = (1u << VARIABLES) - 1;

static cube *make(uint32_t zero, uint32_t one, cube *next)
{
    const unsigned literals = (unsigned)__builtin_popcount(~(zero & one) & ALL);
    cube *c = need(malloc(sizeof(cube) + literals * 3 + 1));
    c->next = next;
    c->zero = zero;
    c->one = one;
    memset(c->text, 'x', literals * 3);
    c->text[literals * 3] = '\0';
    return c;
}

static void free_cover(cube *c)
{
    while (c != NULL) {
        cube *next = c->next;
        free(c);
        c = next;
    }
}

static bool empty(uint32_t zero, uint32_t one) { return ((zero | one) & ALL) != ALL; }

static bool covers(const cube *a, const cube *b) { return (b->zero & ~a->zero) == 0 && (b->one & ~a->one) == 0; }

/* The part of a cover where a variable has a value, without that variable. */
static cube *cofactor(const cube *cover, unsigned v, bool value)
{
    const uint32_t bit = 1u << v;
    cube *result = NULL;
    for (; cover != NULL; cover = cover->next) {
        if ((value ? cover->one : cover->zero) & bit) {
            result = make(cover->zero | bit, cover->one | bit, result);
        }
    }
    return result;
}

/* The variable in most cubes that are not indifferent to it; -1 when a cube is everything. */
static int most_binate(const cube *cover)
{
    unsigned count[VARIABLES] = {0};
    int best = 0;
    for (; cover != NULL; cover = cover->next) {
        const uint32_t care = ~(cover->zero & cover->one) & ALL;
        if (care == 0) {
            return -1;
        }
        for (unsigned v = 0; v < VARIABLES; v++) {
            count[v] += care >> v & 1;
            best = count[v] > count[best] ? (int)v : best;
        }
    }
    return best;
}

static cube *complement(const cube *cover)
{
    if (cover == NULL) {
        return make(ALL, ALL, NULL);
    }
    const int v = most_binate(cover);
    if (v < 0) {
        return NULL;
    }
    cube *result = NULL;
    for (int value = 0; value < 2; value++) {
        cube *part = cofactor(cover, (unsigned)v, value), *inverse = complement(part);
        free_cover(part);
        for (cube *c = inverse; c != NULL; c = c->next) {
            const uint32_t bit = 1u << v;
            result = make(value ? c->zero & ~bit : c->zero, value ? c->one : c->one & ~bit, result);
        }
        free_cover(inverse);
    }
    return result;
}

/* Makes cubes as large as the off-set lets them, one literal after the other. */
static cube *expand(const cube *cover, const cube *off)
{
    cube *result = NULL;
    for (; cover != NULL; cover = cover->next) {
        cube *best = make(cover->zero, cover->one, NULL);
        for (unsigned v = 0; v < VARIABLES; v++) {
            cube *larger = make(best->zero | 1u << v, best->one | 1u << v, NULL);
            bool fits = true;
            for (const cube *o = off; fits && o != NULL; o = o->next) {
                fits = empty(larger->zero & o->zero, larger->one & o->one);
            }
            free(fits ? best : larger);
            best = fits ? larger : best;
        }
        best->next = result;
        result = best;
    }
    return result;
}

/* Leaves out what another cube covers. */
static cube *irredundant(const cube *cover)
{
    cube *result = NULL;
    for (; cover != NULL; cover = cover->next) {
        bool covered = false;
        for (const cube *c = result; !covered && c != NULL; c = c->next) {
            covered = covers(c, cover);
        }
        if (!covered) {
            cube **place = &result;
            while (*place != NULL) {
                cube *c = *place;
                if (covers(cover, c)) {
                    *place = c->next;
                    free(c);
                } else {
                    place = &c->next;
                }
            }
            result = make(cover->zero, cover->one, result);
        }
    }
    return result;
}

static bool holds(const cube *cover, uint32_t point)
{
    for (; cover != NULL; cover = cover->next) {
        if ((point & ~cover->one & ALL) == 0 && (~point & ~cover->zero & ALL) == 0) {
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    const unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
    uint64_t seed = 7;
    size_t before = 0, after = 0;

    for (unsigned i = 0; i < count; i++) {
        cube *on = NULL;
        for (unsigned j = 0; j < 60; j++) {
            /* Some seven literals of fourteen. */
            const uint32_t point = (uint32_t)random_below(&seed, ALL + 1);
            const uint32_t any = (uint32_t)random_below(&seed, ALL + 1);
            on = make((~point & ALL) | any, point | any, on);
        }
        cube *off = complement(on);
        cube *minimal = NULL;
        for (unsigned round = 0; round < 3; round++) {
            cube *larger = expand(minimal != NULL ? minimal : on, off);
            free_cover(minimal);
            minimal = irredundant(larger);
            free_cover(larger);
        }
        for (unsigned j = 0; j < 200; j++) {
            const uint32_t point = (uint32_t)random_below(&seed, ALL + 1);
            if (holds(on, point) != holds(minimal, point) || holds(on, point) == holds(off, point)) {
                fprintf(stderr, "another function\n");
                return 1;
            }
        }
        for (const cube *c = on; c != NULL; c = c->next) {
            before++;
        }
        for (const cube *c = minimal; c != NULL; c = c->next) {
            after++;
        }
        free_cover(on), free_cover(off), free_cover(minimal);
    }
    printf("%zu cubes to %zu\n", before, after);
    return 0;
}
