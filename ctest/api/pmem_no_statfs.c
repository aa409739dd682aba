/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a sandbox does not let a program ask how large a file system is, file-backed kinds have memory all the same, and
 * tell their capacity by what may be asked. */
#include "forbid.h"
#include "output.h"
#include "pmem.h"

#define N_BLOCKS 1000

static void use(memkind_t kind)
{
    static char *blocks[N_BLOCKS];

    for (size_t i = 0; i < N_BLOCKS; i++) {
        errno = 0;
        blocks[i] = memkind_malloc(kind, i * 16 + 1);
        CHECK_NOT_NULL(blocks[i]);
        CHECK_INT(0, errno);
        memset(blocks[i], (int)i, i * 16 + 1);
    }
    for (size_t i = 0; i < N_BLOCKS; i++) {
        CHECK_INT((char)i, blocks[i][i * 16]);
        memkind_free(kind, blocks[i]);
    }
    char *large = memkind_malloc(kind, 9 * MIB);
    CHECK_NOT_NULL(large);
    memset(large, 1, 9 * MIB);
    memkind_free(kind, large);
}

static int ask(void)
{
    memkind_t kind = NULL;

    forbid(SYS_fstatfs, EPERM);
    forbid(SYS_statfs, EPERM);
    CHECK_INT(0, memkind_create_pmem(test_dir(), 0, &kind));
    CHECK_INT(-1, memkind_get_capacity(kind));
    CHECK_INT(0, memkind_destroy_kind(kind));
    return 0;
}

int main(int argc, char **argv)
{
    memkind_t kind = NULL, limited = NULL;

    (void)argv;
    if (argc > 1) {
        return ask();
    }
    forbid(SYS_fstatfs, EPERM);
    if (!original()) {
        CHECK_OUTPUT(0, "MEMKIND_ERROR: statvfs() failed: errno=1.\n", "ask", ENV("MEMKIND_DEBUG=1"));
    }
    CHECK_INT(0, memkind_create_pmem(test_dir(), 0, &kind));
    use(kind);
    CHECK(memkind_get_capacity(kind) > 0);
    forbid(SYS_statfs, EPERM);
    CHECK_INT(0, memkind_create_pmem(test_dir(), 32 * MIB, &limited));
    use(kind);
    use(limited);
    CHECK_INT(32 * MIB, memkind_get_capacity(limited));
    CHECK_INT(-1, memkind_get_capacity(kind));
    CHECK_INT(0, memkind_destroy_kind(limited));
    CHECK_INT(0, memkind_destroy_kind(kind));
    return 0;
}
