/* SPDX-License-Identifier: BSD-2-Clause */
/* A library that stands before one function of the C library and allocates whenever it is
 * called: -DNAME=open64. All of them take words and give one, at most seven of them. */
#define NEXT ((void *)-1l)

#define TEXT(name) #name
#define STRING(name) TEXT(name)

typedef long (*function)(long, long, long, long, long, long, long);

/* No header: it would declare the function as it is. */
extern void *malloc(unsigned long);
extern void *calloc(unsigned long, unsigned long);
extern void *realloc(void *, unsigned long);
extern void free(void *);
extern void *dlsym(void *, const char *);

static void *volatile block;

long NAME(long a, long b, long c, long d, long e, long f, long g) {
    static function next;
    int sizes[] = {24, 3000, 100000};
    for (int i = 0; i < 3; i++) {
        block = malloc((unsigned long)sizes[i]);
        block = realloc(block, (unsigned long)sizes[i] * 2);
        *(volatile char *)block = 1;
        free(block);
    }
    block = calloc(3, 50);
    free(block);
    if (!next)
        next = (function)dlsym(NEXT, STRING(NAME));
    return next(a, b, c, d, e, f, g);
}
