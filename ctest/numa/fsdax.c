// SPDX-License-Identifier: BSD-2-Clause
// Kinds on persistent memory: a file system with DAX is told from one without, and a
// kind made there keeps its data on it.
#include "machine.h"

#define DAX "/mnt/pmem0"

static int dax_path(const void *unused)
{
    (void)unused;
    int status = memkind_check_dax_path(DAX);
    if (status != 0)
        remark("memkind_check_dax_path(" DAX ") is %s", code_name(status));
    if (memkind_check_dax_path("/tmp") == 0)
        remark("memkind_check_dax_path(/tmp) is ok");
    return 0;
}

static int kind_on_dax(const void *unused)
{
    (void)unused;
    memkind_t kind;
    int status = memkind_create_pmem(DAX, 64 * MIB, &kind);
    if (status != 0) {
        remark("memkind_create_pmem is %s", code_name(status));
        return 0;
    }
    char *blocks[3] = {memkind_malloc(kind, 100), memkind_malloc(kind, 5 * MIB), memkind_malloc(kind, 20 * MIB)};
    const size_t sizes[3] = {100, 5 * MIB, 20 * MIB};
    for (int i = 0; i < 3; i++) {
        if (!blocks[i]) {
            remark("malloc of %zu bytes: NULL", sizes[i]);
            return 0;
        }
        memset(blocks[i], i + 1, sizes[i]);
        if (memkind_detect_kind(blocks[i]) != kind)
            remark("block %d is not of the kind", i);
    }
    // Pages of a DAX file are the device's, not a node's: the kernel has none to name.
    struct census census = count_pages(blocks[2], sizes[2]);
    if (census_nodes(&census) != 0)
        remark("pages are in ordinary memory");
    for (int i = 0; i < 3; i++) {
        for (size_t at = 0; at < sizes[i]; at += 99)
            if (blocks[i][at] != i + 1) {
                remark("block %d has changed", i);
                break;
            }
        memkind_free(kind, blocks[i]);
    }
    status = memkind_destroy_kind(kind);
    if (status != 0)
        remark("memkind_destroy_kind is %s", code_name(status));
    return 0;
}

int main(void)
{
    run_test("a path on a DAX file system", dax_path, NULL);
    run_test("a kind on a DAX file system", kind_on_dax, NULL);
    return n_failed != 0;
}
