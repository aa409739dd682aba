/* SPDX-License-Identifier: BSD-2-Clause */
/* calloc of more than 8 MiB gives zeroes also where a freed block has left something else: also when freed memory is
 * never given back, and when the kernel gives none back because all is locked. What is cut off and comes
 * again has gone back meanwhile. */
#include "check.h"
#include "large.h"
#include "output.h"

static const size_t size = 20 * MIB;

static void check_kind(memkind_t kind)
{
    for (size_t n = 0; n < 4; n++) {
        char *block = memkind_malloc(kind, size);
        CHECK_NOT_NULL(block);
        memset(block, 0xa5, size);
        memkind_free(kind, block);
        block = memkind_calloc(kind, size - n * MIB / 2 - 5, 1);
        CHECK_NOT_NULL(block);
        CHECK(all_zero(block, memkind_malloc_usable_size(kind, block)));
        memset(block, 0x5a, size - 2 * MIB);
        block = memkind_realloc(kind, block, 10 * MIB);
        block = memkind_realloc(kind, block, size);
        CHECK_NOT_NULL(block);
        CHECK(all_zero(block + 10 * MIB, size - 10 * MIB) || original());
        memkind_free(kind, block);
    }
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        CHECK_CHILD(run_again("plain", ENV("MEMKIND_HOG_MEMORY")));
        CHECK_CHILD(run_again("hog", ENV("MEMKIND_HOG_MEMORY=1")));
        CHECK_CHILD(run_again("lock", ENV("MEMKIND_HOG_MEMORY")));
        return 0;
    }
    if (strcmp(argv[1], "lock") == 0 && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) {
        return 0;
    }
    check_mapping_kinds(argv[1], check_kind);
    return 0;
}
