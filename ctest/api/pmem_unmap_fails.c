/* SPDX-License-Identifier: BSD-2-Clause */
/* When the kernel unmaps nothing, as it may in a process with as many mappings as are allowed, a file-backed
 * kind that is destroyed gives its blocks back all the same, and its addresses the next time. */
#include "forbid.h"
#include "pmem.h"
#include "process.h"
#include "threads.h"

static memkind_t kind;

/* A filter is for the thread that asks for it. */
static void *destroy_without_munmap(void *unused)
{
    (void)unused;
    forbid(SYS_munmap, ENOMEM);
    CHECK_INT(0, memkind_destroy_kind(kind));
    return NULL;
}

static void fill_some(size_t bytes)
{
    kind = make_pmem(test_dir(), 512 * MIB);
    char *block = memkind_malloc(kind, bytes);
    CHECK_NOT_NULL(block);
    memset(block, 1, bytes);
}

int main(void)
{
    struct stat status;

    if (original()) {
        SKIP("keeps all until the process ends");
    }
    fill_some(1 * MIB);
    CHECK_INT(0, memkind_destroy_kind(kind));
    const size_t before = address_space();

    fill_some(20 * MIB);
    const int file = dup(pmem_record(kind)->fd);
    CHECK(file >= 0);
    CHECK_INT(0, fstat(file, &status));
    CHECK((size_t)status.st_blocks * 512 >= 20 * MIB);
    in_thread(destroy_without_munmap, NULL);
    CHECK_INT(0, fstat(file, &status));
    /* Neither what was in use nor what was taken in advance; a file system may need a few for itself. */
    CHECK((size_t)status.st_blocks * 512 <= 32 * KIB);
    CHECK(address_space() >= before + 512 * MIB);

    fill_some(1 * MIB);
    CHECK_INT(0, memkind_destroy_kind(kind));
    CHECK(address_space() < before + 256 * MIB);
    return 0;
}
