/* SPDX-License-Identifier: BSD-2-Clause */
/* hbw_verify_memory_region: wrong arguments, pages that are not populated, partial pages, touching, and
 * memory from elsewhere. A fresh large block comes unpopulated. */
#include "check.h"

#include <hbwmalloc.h>
#include <sys/mman.h>

#define PAGE ((size_t)sysconf(_SC_PAGESIZE))

static char *map_pages(size_t count)
{
    char *pages = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(pages != MAP_FAILED);
    /* One touched page must not populate its neighbours. */
    madvise(pages, count * PAGE, MADV_NOHUGEPAGE);
    return pages;
}

static void check_arguments(char *pages)
{
    errno = EILSEQ;
    CHECK_INT(EINVAL, hbw_verify_memory_region(NULL, PAGE, 0));
    CHECK_INT(EINVAL, hbw_verify_memory_region(pages, 0, 0));
    CHECK_INT(EINVAL, hbw_verify_memory_region(pages, PAGE, 2));
    CHECK_INT(EINVAL, hbw_verify_memory_region(pages, PAGE, 4));
    CHECK_INT(EINVAL, hbw_verify_memory_region(pages, PAGE, HBW_TOUCH_PAGES | 2));
    CHECK_INT(EINVAL, hbw_verify_memory_region(NULL, 0, HBW_TOUCH_PAGES));
}

static void check_pages(void)
{
    enum { COUNT = 200 };
    char *pages = map_pages(COUNT);

    check_arguments(pages);
    CHECK_INT(-1, hbw_verify_memory_region(pages, COUNT * PAGE, 0));
    pages[0] = 1;
    CHECK_INT(0, hbw_verify_memory_region(pages, 1, 0));
    CHECK_INT(0, hbw_verify_memory_region(pages + PAGE - 1, 1, 0));
    CHECK_INT(-1, hbw_verify_memory_region(pages + PAGE - 1, 2, 0));
    CHECK_INT(-1, hbw_verify_memory_region(pages, PAGE + 1, 0));
    CHECK_INT(0, hbw_verify_memory_region(pages + PAGE - 1, 2, HBW_TOUCH_PAGES));
    CHECK_INT(0, hbw_verify_memory_region(pages, 2 * PAGE, 0));

    fill(pages, COUNT * PAGE, 1);
    for (size_t size = 1; size <= COUNT * PAGE; size = size * 5 / 4 + 1) {
        CHECK_INT(0, hbw_verify_memory_region(pages, size, 0));
        CHECK_INT(0, hbw_verify_memory_region(pages + COUNT * PAGE - size, size, HBW_TOUCH_PAGES));
    }
    CHECK(holds(pages, COUNT * PAGE, 1));

    /* A hole anywhere is found. */
    static const size_t holes[] = {0, 1, 62, 63, 64, 65, 127, 128, COUNT - 1};
    for (size_t i = 0; i < sizeof(holes) / sizeof(holes[0]); i++) {
        char *hole = pages + holes[i] * PAGE;
        CHECK_INT(0, madvise(hole, PAGE, MADV_DONTNEED));
        CHECK_INT(-1, hbw_verify_memory_region(pages, COUNT * PAGE, 0));
        CHECK_INT(-1, hbw_verify_memory_region(hole + 5, 10, 0));
        hole[0] = 1;
        CHECK_INT(0, hbw_verify_memory_region(pages, COUNT * PAGE, 0));
    }
    CHECK_INT(0, munmap(pages, COUNT * PAGE));
}

static void check_block(size_t size, bool fresh)
{
    char *block = hbw_malloc(size);

    CHECK_NOT_NULL(block);
    if (fresh) {
        CHECK_INT(-1, hbw_verify_memory_region(block, size, 0));
    }
    CHECK_INT(0, hbw_verify_memory_region(block, size, HBW_TOUCH_PAGES));
    CHECK_INT(0, hbw_verify_memory_region(block, size, 0));
    hbw_free(block);
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc == 1) {
        if (hbw_check_available() != 0) {
            /* Populated memory, but none of it is high bandwidth memory. */
            char *page = map_pages(1);
            page[0] = 1;
            check_arguments(page);
            CHECK_INT(-1, hbw_verify_memory_region(page, 1, 0));
            CHECK_INT(-1, hbw_verify_memory_region(page, 1, HBW_TOUCH_PAGES));
        }
        return run_again("with node 0", node_0_for_all_kinds);
    }
    CHECK_INT(0, hbw_check_available());
    check_block(4 * MIB, true);
    for (size_t size = 1; size <= 8194; size += 31) {
        check_block(size, false);
    }
    check_block(8194, false);
    check_block(4 * MIB + 5, false);
    check_block(64 * MIB + 1, true);
    check_pages();
    return 0;
}
