/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a limit on addresses or on data (RLIMIT_AS, RLIMIT_DATA) lets the kernel refuse to move a block above 8 MiB, no
 * addresses are lost: they may all be used by the blocks that come next. */
#include "ext.h"
#include "process.h"

static const size_t small = 64 * MIB, large = 128 * MIB;

/* Bytes of the process that RLIMIT_DATA counts, and those of its stack. */
static size_t data(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    CHECK_NOT_NULL(file);
    CHECK_INT(1, fscanf(file, "%*u %*u %*u %*u %*u %zu", &pages));
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Lets a block grow that cannot grow in place, while `resource` is limited to `bytes`; 0 sets no limit. */
static void grow(int resource, size_t bytes)
{
    char *block = memkind_malloc(MEMKIND_DEFAULT, small), *moved;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct rlimit before, limit;

    CHECK_NOT_NULL(block);
    memset(block, 'a', 100);
    /* Makes sure that a mapping is behind the block. */
    void *behind = mmap(block + memkind_malloc_usable_size(NULL, block), page, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    CHECK_INT(0, getrlimit((unsigned)resource, &before));
    limit = before;
    if (bytes != 0) {
        limit.rlim_cur = bytes;
    }
    CHECK_INT(0, setrlimit((unsigned)resource, &limit));
    moved = memkind_realloc(MEMKIND_DEFAULT, block, large);
    CHECK_INT(0, setrlimit((unsigned)resource, &before));
    if (moved != NULL) {
        block = moved;
    }
    CHECK(block[0] == 'a' && block[99] == 'a');
    memkind_free(MEMKIND_DEFAULT, block);
    if (behind != MAP_FAILED) {
        munmap(behind, page);
    }
    CHECK_INT(0, memkind_trim(MEMKIND_DEFAULT));
}

int main(void)
{
    need_unlimited_address_space();
    grow(RLIMIT_AS, 0);
    const size_t before = address_space();

    for (int round = 0; round < 4; round++) {
        /* Allows the new addresses, but not the bytes by which the block grows. */
        grow(RLIMIT_AS, address_space() + small + large + 8 * MIB);
        CHECK(address_space() <= before + 4 * MIB);
        grow(RLIMIT_DATA, data() + small + small / 2);
        CHECK(address_space() <= before + 4 * MIB);
    }
    return 0;
}
