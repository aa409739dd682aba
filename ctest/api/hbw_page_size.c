/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that was asked for with HBW_PAGESIZE_4KB is mapped with base pages, with HBW_PAGESIZE_2MB with huge
 * ones where there are any.
 * huge pages: 24 */
#include "machine.h"

#include <hbwmalloc.h>

/* The KernelPageSize, in kB, of the mapping that holds `address`. */
static long page_size_at(const void *address)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    char line[512];
    bool inside = false;
    long found = -1;

    CHECK_NOT_NULL(maps);
    while (found < 0 && fgets(line, sizeof(line), maps) != NULL) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
            inside = (unsigned long)address >= start && (unsigned long)address < end;
        } else if (inside) {
            sscanf(line, "KernelPageSize: %ld kB", &found);
        }
    }
    fclose(maps);
    return found;
}

static void check_pages(hbw_pagesize_t page, long kib)
{
    static const size_t sizes[] = {2, 2 * KIB, 2 * MIB};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        void *block = NULL;
        CHECK_INT(0, hbw_posix_memalign_psize(&block, 4096, sizes[i], page));
        CHECK(aligned(block, 4096));
        fill(block, sizes[i], 1);
        for (size_t at = 0; at < sizes[i]; at += 4096) {
            CHECK_INT(kib, page_size_at((char *)block + at));
            at += at > 64 * KIB ? 256 * KIB : 0;
        }
        hbw_free(block);
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc == 1) {
        return run_again("with node 0", node_0_for_all_kinds);
    }
    CHECK_INT(0, hbw_check_available());
    check_pages(HBW_PAGESIZE_4KB, sysconf(_SC_PAGESIZE) / 1024);
    if (atol(first_line("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")) >= 8) {
        check_pages(HBW_PAGESIZE_2MB, 2048);
    }
    return 0;
}
