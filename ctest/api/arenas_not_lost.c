/* SPDX-License-Identifier: BSD-2-Clause */
/* A process at its limit of addresses, for which an arena cannot be made, has lost nothing by that when it may have more
 * again: neither one of the 4094 arenas that there can be, nor memory. Difference: the original has none left
 * after some thousand times. */
#include "check.h"
#include "process.h"

#include <sys/resource.h>

enum { TIMES = 5000, WARM = 100 };
#define SIZE (4 * MIB)

static char *area;

/* Makes a kind with an arena; NULL where one of them cannot be had. */
static memkind_t make(void)
{
    memkind_t kind;
    void *block;

    if (memkind_create_fixed(area, SIZE, &kind) != MEMKIND_SUCCESS)
        return NULL;
    block = memkind_malloc(kind, 100);
    memkind_free(kind, block);
    if (block)
        return kind;
    CHECK_INT(0, memkind_destroy_kind(kind));
    return NULL;
}

static void make_at_the_limit(void)
{
    struct rlimit before, now;
    memkind_t kind = make();

    CHECK_NOT_NULL(kind);
    /* Its arena is one that can be had again. */
    CHECK_INT(0, memkind_destroy_kind(kind));
    CHECK_INT(0, getrlimit(RLIMIT_AS, &before));
    now = (struct rlimit){address_space() + 64 * KIB, before.rlim_max};
    CHECK_INT(0, setrlimit(RLIMIT_AS, &now));
    kind = make();
    CHECK_INT(0, setrlimit(RLIMIT_AS, &before));
    CHECK_PTR(NULL, kind);
}

int main(void)
{
    size_t resident;

    area = map_area(SIZE);
    for (int i = 0; i < WARM; i++)
        make_at_the_limit();
    resident = resident_memory();
    for (int i = 0; i < TIMES; i++)
        make_at_the_limit();
    CHECK(resident_memory() < resident + 4 * MIB);
    CHECK_INT(0, memkind_destroy_kind(make()));
    return 0;
}
