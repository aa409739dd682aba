/* SPDX-License-Identifier: BSD-2-Clause */
/* Factors numbers by continued fractions (Morrison and Brillhart). Every result of an operation on large
 * numbers is a block of its own, which lives for a few operations: many small blocks, a few sizes.
 * usage: cfrac COUNT: that many numbers. */
#include "workload.h"

/* A number: limbs of 32 bits, the lowest first, no leading zero. */
typedef struct {
    unsigned n;
    uint32_t limb[];
} number;

static number *fresh(unsigned n)
{
    number *x = need(malloc(sizeof(number) + n * sizeof(uint32_t)));
    x->n = n;
    memset(x->limb, 0, n * sizeof(uint32_t));
    return x;
}

static number *trimmed(number *x)
{
    while (x->n > 0 && x->limb[x->n - 1] == 0) {
        x->n--;
    }
    return x;
}

static number *of(uint64_t value)
{
    number *x = fresh(2);
    x->limb[0] = (uint32_t)value;
    x->limb[1] = (uint32_t)(value >> 32);
    return trimmed(x);
}

static number *copy(const number *a)
{
    number *x = fresh(a->n);
    memcpy(x->limb, a->limb, a->n * sizeof(uint32_t));
    return x;
}

static int compare(const number *a, const number *b)
{
    if (a->n != b->n) {
        return a->n < b->n ? -1 : 1;
    }
    for (unsigned i = a->n; i-- > 0;) {
        if (a->limb[i] != b->limb[i]) {
            return a->limb[i] < b->limb[i] ? -1 : 1;
        }
    }
    return 0;
}

static number *add(const number *a, const number *b)
{
    const unsigned n = a->n > b->n ? a->n : b->n;
    number *x = fresh(n + 1);
    uint64_t carry = 0;
    for (unsigned i = 0; i <= n; i++) {
        carry += (i < a->n ? a->limb[i] : 0) + (uint64_t)(i < b->n ? b->limb[i] : 0);
        x->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return trimmed(x);
}

/* a - b, which must not be negative. */
static number *subtract(const number *a, const number *b)
{
    number *x = fresh(a->n);
    int64_t borrow = 0;
    for (unsigned i = 0; i < a->n; i++) {
        borrow += (int64_t)a->limb[i] - (i < b->n ? b->limb[i] : 0);
        x->limb[i] = (uint32_t)borrow;
        borrow >>= 32;
    }
    return trimmed(x);
}

static number *multiply(const number *a, const number *b)
{
    number *x = fresh(a->n + b->n);
    for (unsigned i = 0; i < a->n; i++) {
        uint64_t carry = 0;
        for (unsigned j = 0; j < b->n; j++) {
            carry += x->limb[i + j] + (uint64_t)a->limb[i] * b->limb[j];
            x->limb[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
        x->limb[i + b->n] = (uint32_t)carry;
    }
    return trimmed(x);
}

/* a / b bit by bit; the numbers are short. The rest goes to *rest unless that is NULL. */
static number *divide(const number *a, const number *b, number **rest)
{
    number *quotient = fresh(a->n), *left = fresh(b->n + 1);
    left->n = 0;
    for (unsigned bit = a->n * 32; bit-- > 0;) {
        uint32_t carry = a->limb[bit / 32] >> bit % 32 & 1;
        for (unsigned i = 0; i < left->n; i++) {
            const uint32_t out = left->limb[i] >> 31;
            left->limb[i] = left->limb[i] << 1 | carry;
            carry = out;
        }
        if (carry) {
            left->limb[left->n++] = carry;
        }
        if (compare(left, b) >= 0) {
            int64_t borrow = 0;
            for (unsigned i = 0; i < left->n; i++) {
                borrow += (int64_t)left->limb[i] - (i < b->n ? b->limb[i] : 0);
                left->limb[i] = (uint32_t)borrow;
                borrow >>= 32;
            }
            trimmed(left);
            quotient->limb[bit / 32] |= (uint32_t)1 << bit % 32;
        }
    }
    if (rest != NULL) {
        *rest = left;
    } else {
        free(left);
    }
    return trimmed(quotient);
}

static number *modulo(const number *a, const number *b)
{
    number *rest;
    free(divide(a, b, &rest));
    return rest;
}

static uint32_t modulo_small(const number *a, uint32_t b)
{
    uint64_t rest = 0;
    for (unsigned i = a->n; i-- > 0;) {
        rest = (rest << 32 | a->limb[i]) % b;
    }
    return (uint32_t)rest;
}

/* Frees the old value. */
static void set(number **place, number *value)
{
    free(*place);
    *place = value;
}

static number *gcd(const number *a, const number *b)
{
    number *x = copy(a), *y = copy(b);
    while (y->n > 0) {
        number *rest = modulo(x, y);
        set(&x, y);
        y = rest;
    }
    free(y);
    return x;
}

static number *square_root(const number *a)
{
    number *x = copy(a);
    for (;;) {
        /* Newton, from above. */
        number *quotient = divide(a, x, NULL), *sum = add(x, quotient), *two = of(2);
        number *next = divide(sum, two, NULL);
        free(quotient), free(sum), free(two);
        if (compare(next, x) >= 0) {
            free(next);
            return x;
        }
        set(&x, next);
    }
}

enum { BASE = 120, RELATIONS = BASE + 10 };

/* A^2 = product of primes^exponents, modulo n; the exponents' parities, and the relations it is made of. */
typedef struct {
    number *a, *q;
    unsigned char odd[BASE + 1];
    unsigned char from[RELATIONS];
} relation;

static unsigned factor_base(const number *n, uint32_t *primes)
{
    unsigned count = 0;
    for (uint32_t p = 2; count < BASE; p++) {
        bool prime = true;
        for (uint32_t d = 2; d * d <= p; d++) {
            prime = prime && p % d != 0;
        }
        if (!prime) {
            continue;
        }
        /* Only those for which n is a square can divide. */
        const uint64_t m = modulo_small(n, p);
        uint64_t power = 1, square = m;
        for (uint32_t e = (p - 1) / 2; e > 0; e >>= 1, square = square * square % p) {
            power = e & 1 ? power * square % p : power;
        }
        if (p == 2 || m == 0 || power == 1) {
            primes[count++] = p;
        }
    }
    return count;
}

/* Whether q has no primes but those of the base. */
static bool smooth(const number *q, const uint32_t *primes, unsigned char *odd)
{
    number *left = copy(q);
    for (unsigned i = 0; i < BASE && left->n > 0; i++) {
        while (modulo_small(left, primes[i]) == 0) {
            number *prime = of(primes[i]);
            set(&left, divide(left, prime, NULL));
            free(prime);
            odd[i] ^= 1;
        }
    }
    const bool done = left->n == 1 && left->limb[0] == 1;
    free(left);
    return done;
}

/* A factor from relations whose product is a square, or NULL. */
static number *combine(relation *all, const unsigned char *from, const number *n)
{
    number *a = of(1), *q = of(1);
    for (unsigned i = 0; i < RELATIONS; i++) {
        if (from[i]) {
            number *product = multiply(a, all[i].a);
            set(&a, modulo(product, n));
            free(product);
            set(&q, multiply(q, all[i].q));
        }
    }
    number *root = square_root(q), *rest = modulo(root, n);
    number *difference = compare(a, rest) >= 0 ? subtract(a, rest) : subtract(rest, a);
    number *factor = gcd(difference, n), *one = of(1);
    if (compare(factor, one) == 0 || compare(factor, n) == 0) {
        set(&factor, NULL);
    }
    free(a), free(q), free(root), free(rest), free(difference), free(one);
    return factor;
}

static number *eliminate(relation *all, const number *n)
{
    bool used[RELATIONS] = {false};
    number *factor = NULL;
    for (unsigned column = 0; column <= BASE; column++) {
        unsigned pivot = 0;
        while (pivot < RELATIONS && (used[pivot] || !all[pivot].odd[column])) {
            pivot++;
        }
        if (pivot == RELATIONS) {
            continue;
        }
        used[pivot] = true;
        for (unsigned row = 0; row < RELATIONS; row++) {
            if (row != pivot && all[row].odd[column]) {
                for (unsigned i = 0; i <= BASE; i++) {
                    all[row].odd[i] ^= all[pivot].odd[i];
                }
                for (unsigned i = 0; i < RELATIONS; i++) {
                    all[row].from[i] ^= all[pivot].from[i];
                }
            }
        }
    }
    for (unsigned row = 0; row < RELATIONS && factor == NULL; row++) {
        if (!used[row]) {
            factor = combine(all, all[row].from, n);
        }
    }
    return factor;
}

static number *factor(const number *n)
{
    uint32_t primes[BASE];
    static relation all[RELATIONS];
    unsigned found = 0;
    number *g = square_root(n), *p = of(0), *q = of(1), *a = copy(g);
    number *before = of(1), *last = modulo(g, n), *result;

    factor_base(n, primes);
    memset(all, 0, sizeof(all));
    for (unsigned i = 1; found < RELATIONS; i++) {
        number *product = multiply(a, q), *next_p = subtract(product, p), *square = multiply(next_p, next_p);
        number *above = subtract(n, square), *next_q = divide(above, q, NULL), *sum = add(g, next_p);
        free(product), free(square), free(above);
        set(&p, next_p), set(&q, next_q), set(&a, divide(sum, q, NULL));
        free(sum);
        relation *next = &all[found];
        memset(next->odd, 0, sizeof(next->odd));
        next->odd[BASE] = i & 1;
        if (smooth(q, primes, next->odd)) {
            next->a = copy(last);
            next->q = copy(q);
            next->from[found++] = 1;
        }
        number *times = multiply(a, last), *plus = add(times, before);
        set(&before, last);
        last = modulo(plus, n);
        free(times), free(plus);
    }
    result = eliminate(all, n);
    for (unsigned i = 0; i < RELATIONS; i++) {
        free(all[i].a), free(all[i].q);
    }
    free(g), free(p), free(q), free(a), free(before), free(last);
    return result;
}

static bool is_prime(uint64_t n)
{
    for (uint64_t d = 2; d * d <= n; d++) {
        if (n % d == 0) {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    const unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
    uint64_t seed = 1, found = 0;

    for (unsigned i = 0; i < count; i++) {
        uint64_t prime[2];
        for (int j = 0; j < 2; j++) {
            prime[j] = 100000000 + random_below(&seed, 900000000);
            while (!is_prime(prime[j])) {
                prime[j]++;
            }
        }
        number *a = of(prime[0]), *b = of(prime[1]), *n = multiply(a, b), *result = factor(n);
        if (result != NULL) {
            number *rest = modulo(n, result);
            if (rest->n != 0) {
                fprintf(stderr, "not a factor\n");
                return 1;
            }
            found++;
            free(rest);
        }
        free(a), free(b), free(n), free(result);
    }
    printf("%llu of %u\n", (unsigned long long)found, count);
    return found == 0;
}
