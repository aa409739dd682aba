/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMKIND_HOG_MEMORY with the first character '1' keeps freed memory; any other value does not. Seen on
 * a file-backed kind of the conservative policy, which else gives memory back at once. Items 44, 74. */
#include "output.h"

#include <sys/stat.h>

static blkcnt_t blocks_of_file(memkind_t kind)
{
    struct stat status;
    const int *const file = *(int **)((char *)kind + 104); /* The head of struct memkind: priv, its fd. */

    CHECK_INT(0, fstat(*file, &status));
    return status.st_blocks;
}

static void child(bool keeps)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = NULL;

    memkind_config_set_path(config, test_dir());
    memkind_config_set_size(config, 64 * MIB);
    memkind_config_set_memory_usage_policy(config, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    CHECK_INT(0, memkind_create_pmem_with_config(config, &kind));
    memkind_config_delete(config);
    char *block = memkind_malloc(kind, 4 * MIB);
    CHECK_NOT_NULL(block);
    memset(block, 1, 4 * MIB);
    const blkcnt_t before = blocks_of_file(kind);
    memkind_free(kind, block);
    const blkcnt_t after = blocks_of_file(kind);
    CHECK(before >= (blkcnt_t)(4 * MIB / 512));
    if (keeps) {
        CHECK_INT(before, after);
    } else {
        CHECK(after <= before - (blkcnt_t)(4 * MIB / 512));
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
