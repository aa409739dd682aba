/* SPDX-License-Identifier: BSD-2-Clause */
/* Freed pages go back to the file system: at once with the conservative policy, and after about ten
 * seconds of further use with the default one. Not if MEMKIND_HOG_MEMORY is set. */
#include "pmem.h"

#include <time.h>

static void check_conservative(const char *dir)
{
    memkind_t kind = make_pmem_with_policy(dir, 32 * MIB, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    void *block = memkind_malloc(kind, 1 * KIB);

    CHECK_NOT_NULL(block);
    const size_t before = pmem_file_bytes(kind);
    CHECK(before > 0);
    memkind_free(kind, block);
    CHECK(pmem_file_bytes(kind) < before);
    CHECK_INT(0, memkind_destroy_kind(kind));
}

static void check_default(const char *dir)
{
    memkind_t kind = make_pmem_with_policy(dir, 32 * MIB, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    const struct timespec pause = {0, 1000000};
    const time_t end = time(NULL) + 25;
    void *last = NULL;

    fill_up(kind, 64, &last);
    const size_t full = pmem_file_bytes(kind);
    CHECK(full >= 32 * MIB);
    release_all(kind, &last);
    while (pmem_file_bytes(kind) >= full) {
        CHECK(time(NULL) < end);
        for (size_t size = 64; size < 8 * KIB; size *= 2) {
            void *block = memkind_malloc(kind, size);
            CHECK_NOT_NULL(block);
            memkind_free(kind, block);
        }
        nanosleep(&pause, NULL);
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(void)
{
    if (keeps_all_memory()) {
        SKIP("MEMKIND_HOG_MEMORY: memory is never given back");
    }
    check_conservative(test_dir());
    check_conservative("/dev/shm");
    check_default(test_dir());
    return 0;
}
