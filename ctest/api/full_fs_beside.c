/* SPDX-License-Identifier: BSD-2-Clause */
/* What a kind gives up is there for another one on the same full file system at once, also when the thread that asks
 * is held up in the middle: time after time. */
#include "held_up.h"
#include "pmem.h"
#include "small_fs.h"

enum { TURNS = 6, SIZE = 300 * KIB, BLOCKS = 14 * MIB / SIZE };

static char dir[] = "/tmp/memkind-beside-XXXXXX";

int main(void)
{
    static void *blocks[BLOCKS];
    memkind_t kinds[2];

    if (original()) {
        SKIP("a second kind gets what the first one has left");
    }
    mount_small_fs(dir, "size=24m");
    kinds[0] = make_pmem(dir, 0);
    kinds[1] = make_pmem(dir, 0);
    be_held_up();
    for (int turn = 0; turn < TURNS; turn++) {
        memkind_t kind = kinds[turn % 2];

        for (size_t i = 0; i < BLOCKS; i++) {
            blocks[i] = memkind_malloc(kind, SIZE);
            if (blocks[i] == NULL) {
                FAIL("turn %d: block %zu of %d is refused", turn, i, (int)BLOCKS);
            }
        }
        for (size_t i = 0; i < BLOCKS; i++) {
            memkind_free(kind, blocks[i]);
        }
    }
    CHECK_INT(0, memkind_destroy_kind(kinds[0]));
    CHECK_INT(0, memkind_destroy_kind(kinds[1]));
    unmount_small_fs(dir);
    return 0;
}
