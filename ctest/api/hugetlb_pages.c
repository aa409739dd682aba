/* SPDX-License-Identifier: BSD-2-Clause */
/* With a pool of eight huge pages 4 KiB and 4 MiB + 1 byte of every huge page kind fit, and lie on huge
 * pages; the capacity is that of the pool.
 * huge pages: 24 */
#include "machine.h"

static memkind_t *const huge_kinds[] = {&MEMKIND_HUGETLB, &MEMKIND_HBW_HUGETLB, &MEMKIND_HBW_ALL_HUGETLB,
                                        &MEMKIND_HBW_PREFERRED_HUGETLB};

/* The size of the pages under `address`, in KiB. */
static unsigned long page_kib(const void *address)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    char line[512];
    bool inside = false;
    unsigned long size = 0;

    CHECK_NOT_NULL(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            inside = from <= (uintptr_t)address && (uintptr_t)address < to;
        } else if (inside && sscanf(line, "KernelPageSize: %lu kB", &size) == 1) {
            break;
        }
    }
    fclose(maps);
    return size;
}

static void use(memkind_t kind, size_t size)
{
    char *block = memkind_malloc(kind, size);

    CHECK_NOT_NULL(block);
    fill(block, size, 1);
    CHECK(holds(block, size, 1));
    CHECK_INT(2048, page_kib(block));
    CHECK_INT(2048, page_kib(block + size - 1));
    memkind_free(kind, block);
}

int main(int argc, char **argv)
{
    const long pages = atol(first_line("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"));

    if (pages < 8) {
        SKIP("fewer than eight free huge pages");
    }
    if (argc == 1) {
        for (int i = 0; i < 4; i++) {
            char number[16];
            snprintf(number, sizeof(number), "%d", i);
            CHECK_CHILD(run_again(number, node_0_for_all_kinds));
        }
        const long all = atol(first_line("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")) +
                         atol(first_line("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages"));
        CHECK_INT(all * (long)(2 * MIB), memkind_get_capacity(MEMKIND_HUGETLB));
        return 0;
    }
    const memkind_t kind = *huge_kinds[atoi(argv[1])];
    CHECK_INT(0, memkind_check_available(kind));
    use(kind, 4096);
    use(kind, 4 * MIB + 1);
    if (pages >= 16) {
        use(kind, 20 * MIB);
    }
    /* More than the pool fails without a signal. */
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, ((size_t)pages + 512) * 2 * MIB));
    return 0;
}
