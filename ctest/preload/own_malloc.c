/* SPDX-License-Identifier: BSD-2-Clause */
/* A program with a malloc of its own, which has the four functions that the C library asks for and no more. Under a
 * preload library what is made of these four stays its own: reallocarray, and what frees by another name. Run by
 * family.sh, linked with -rdynamic: the C library finds the four, too. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition) \
    ((condition) ? (void)0 : (dprintf(2, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition), _exit(1)))

enum { HEAD = 16 };

static _Alignas(HEAD) char room[8 << 20];
static size_t used;
static int live;

static int is_own(const void *block)
{
    return (const char *)block >= room && (const char *)block < room + sizeof room;
}

void *malloc(size_t size)
{
    const size_t whole = HEAD + (size + HEAD - 1) / HEAD * HEAD;

    if (size > sizeof room || whole > sizeof room - used) {
        errno = ENOMEM;
        return NULL;
    }
    char *head = room + used;
    used += whole;
    live++;
    memcpy(head, &size, sizeof size);
    return head + HEAD;
}

void free(void *block)
{
    if (block != NULL) {
        CHECK(is_own(block));
        live--;
    }
}

void *calloc(size_t num, size_t size)
{
    return malloc(num * size); /* never handed out twice, so zero */
}

void *realloc(void *block, size_t size)
{
    void *new = malloc(size);
    size_t old;

    if (block != NULL && new != NULL) {
        CHECK(is_own(block));
        memcpy(&old, (char *)block - HEAD, sizeof old);
        memcpy(new, block, old < size ? old : size);
        free(block);
    }
    return new;
}

int main(void)
{
    void (*free_sized)(void *, size_t) = (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "free_sized");
    void (*free_aligned_sized)(void *, size_t, size_t) =
        (void (*)(void *, size_t, size_t))dlsym(RTLD_DEFAULT, "free_aligned_sized");
    void (*cfree)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "cfree");
    const char *preload = getenv("LD_PRELOAD");
    const volatile size_t half = SIZE_MAX / 2;
    const int before = live;
    char *block = reallocarray(NULL, 10, 10);

    CHECK(block != NULL && is_own(block));
    strcpy(block, "kept");
    block = reallocarray(block, 100, 100);
    CHECK(block != NULL && is_own(block) && strcmp(block, "kept") == 0);
    errno = 0;
    CHECK(reallocarray(block, half, 3) == NULL && errno == ENOMEM);
    free(block);
    block = strdup("of the C library");
    CHECK(block != NULL && is_own(block));
    free(block);
    if (preload != NULL && *preload != '\0') {
        CHECK(free_sized != NULL && free_aligned_sized != NULL && cfree != NULL);
        free_sized(malloc(100), 100);
        free_aligned_sized(malloc(100), 16, 100);
        cfree(malloc(100));
        free_sized(NULL, 100);
    }
    CHECK(live == before);
    return 0;
}
