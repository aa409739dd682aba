/* SPDX-License-Identifier: BSD-2-Clause */
/* Decorators: functions of these names in the program are called around every allocation, here to
 * count what is allocated and freed.
 *
 *     gcc -o hooks hooks.c $(pkg-config --cflags --libs memkind)
 */
#include <memkind.h>
#include <stdio.h>

static size_t asked_for;
static unsigned n_allocated, n_freed;

void memkind_malloc_post(memkind_t kind, size_t size, void **result);
void memkind_free_pre(memkind_t *kind, void **ptr);

void memkind_malloc_post(memkind_t kind, size_t size, void **result)
{
    (void)kind;
    if (*result != NULL) {
        asked_for += size;
        n_allocated++;
    }
}

void memkind_free_pre(memkind_t *kind, void **ptr)
{
    (void)kind;
    if (*ptr != NULL) {
        n_freed++;
    }
}

int main(void)
{
    void *blocks[10];

    for (size_t i = 0; i < 10; i++) {
        blocks[i] = memkind_malloc(MEMKIND_REGULAR, (i + 1) * 100);
    }
    for (size_t i = 0; i < 10; i++) {
        memkind_free(NULL, blocks[i]);
    }
    printf("%u blocks, %zu bytes asked for, %u freed\n", n_allocated, asked_for, n_freed);
    return n_allocated == 10 && asked_for == 5500 && n_freed == 10 ? 0 : 1;
}
