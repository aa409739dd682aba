/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMKIND_HOG_MEMORY with the first character '1' keeps freed memory; any other value does not. Seen on
 * a file-backed kind of the conservative policy, which else gives memory back at once. */
#include "output.h"
#include "pmem.h"

static void child(bool keeps)
{
    memkind_t kind = make_pmem_with_policy(test_dir(), 64 * MIB, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    char *block = memkind_malloc(kind, 4 * MIB);
    CHECK_NOT_NULL(block);
    memset(block, 1, 4 * MIB);
    const size_t before = pmem_file_bytes(kind);
    memkind_free(kind, block);
    const size_t after = pmem_file_bytes(kind);
    CHECK(before >= 4 * MIB);
    if (keeps) {
        CHECK_INT(before, after);
    } else {
        CHECK(after <= before - 4 * MIB);
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        child(strcmp(argv[1], "keeps") == 0);
        return 0;
    }
    CHECK_CHILD(run_again("gives back", ENV("MEMKIND_HOG_MEMORY")));
    CHECK_CHILD(run_again("gives back", ENV("MEMKIND_HOG_MEMORY=")));
    CHECK_CHILD(run_again("gives back", ENV("MEMKIND_HOG_MEMORY=0")));
    CHECK_CHILD(run_again("gives back", ENV("MEMKIND_HOG_MEMORY=yes")));
    CHECK_CHILD(run_again("keeps", ENV("MEMKIND_HOG_MEMORY=1")));
    CHECK_CHILD(run_again("keeps", ENV("MEMKIND_HOG_MEMORY=1x")));
    return 0;
}
