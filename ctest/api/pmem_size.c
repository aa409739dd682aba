/* SPDX-License-Identifier: BSD-2-Clause */
/* The sizes that memkind_create_pmem accepts, and the capacity that follows.
 * Difference: in 1.14.0 the capacity of an unlimited kind may be -1, once the heap has been used (it
 * copies the directory without its end). */
#include "pmem.h"

#include <sys/statvfs.h>

static void check_refused(size_t size)
{
    memkind_t kind = NULL;

    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_pmem(test_dir(), size, &kind));
    CHECK_NULL(kind);
}

static void check_size(size_t size, size_t expected)
{
    memkind_t kind = make_pmem(test_dir(), size);
    const struct pmem_record *record = pmem_record(kind);

    CHECK_INT(expected, memkind_get_capacity(kind));
    CHECK_INT(expected, record->max_size);
    CHECK_INT(0, record->current_size);
    CHECK(fcntl(record->fd, F_GETFD) >= 0);
    CHECK_INT(0, memkind_check_available(kind));
    void *block = memkind_malloc(kind, 100);
    CHECK_NOT_NULL(block);
    CHECK(record->current_size > 0 && record->current_size <= record->max_size);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

static void check_unlimited(const char *dir)
{
    struct statvfs status;
    memkind_t kind = make_pmem(dir, 0);

    CHECK_INT(0, statvfs(dir, &status));
    CHECK_INT((size_t)status.f_blocks * status.f_frsize, memkind_get_capacity(kind));
    CHECK(memkind_get_capacity(kind) > 0);
    CHECK_INT(0, pmem_record(kind)->max_size);
    CHECK_STR(dir, pmem_record(kind)->dir);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    check_unlimited(test_dir());
    check_refused(1);
    check_refused(4096);
    check_refused(MEMKIND_PMEM_MIN_SIZE / 2);
    check_refused(MEMKIND_PMEM_MIN_SIZE - 1);
    CHECK_INT(16 * MIB, MEMKIND_PMEM_MIN_SIZE);
    check_size(16 * MIB, 16 * MIB);
    check_size(16 * MIB + 1, 18 * MIB);
    check_size(16 * MIB + 4 * KIB, 18 * MIB);
    check_size(18 * MIB, 18 * MIB);
    check_size(18 * MIB + 1, 20 * MIB);
    check_size(1 * GIB, 1 * GIB);
    if (!original()) {
        for (int i = 0; i < 3; i++) {
            check_unlimited(test_dir());
            check_unlimited("/dev/shm");
            check_unlimited(".");
        }
    }
    return 0;
}
