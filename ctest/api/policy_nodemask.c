/* SPDX-License-Identifier: BSD-2-Clause */
/* The node mask functions that memkind-hbw-nodes and its like import: the mask is cleared and then
 * filled, an unavailable kind gives its code and leaves the mask alone, a null mask only asks. */
#include "machine.h"
#include "output.h"

#define NODES 1024
#define WORDS (NODES / (8 * sizeof(unsigned long)))

typedef int (*nodemask_function)(memkind_t kind, unsigned long *mask, unsigned long max_node);

static nodemask_function function(const char *name)
{
    void *address = dlsym(RTLD_DEFAULT, name);

    if (address == NULL) {
        FAIL("%s is not exported", name);
    }
    return (nodemask_function)(uintptr_t)address;
}

/* `code` is what the function returns; with 0 the mask must be node 0 alone. */
static void check_function(const char *name, memkind_t kind, int code)
{
    const nodemask_function get = function(name);
    unsigned long mask[WORDS], before[WORDS];

    check_context = name;
    memset(before, 0xa5, sizeof(before));
    for (int with_kind = 0; with_kind < 2; with_kind++) {
        const memkind_t asked = with_kind ? kind : NULL;

        memcpy(mask, before, sizeof(mask));
        CHECK_INT(code, get(asked, mask, NODES));
        if (code == 0) {
            CHECK_INT(1, mask[0]);
            CHECK(all_zero(mask + 1, sizeof(mask) - sizeof(mask[0])));
        } else {
            CHECK(memcmp(before, mask, sizeof(mask)) == 0);
        }
        /* The original's function for REGULAR crashes on a null mask. */
        if (!original() || kind != MEMKIND_REGULAR) {
            CHECK_INT(code, get(asked, NULL, NODES));
        }
    }
    check_context = NULL;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        int hbw = 1, dax = 1;
        CHECK_INT(2, sscanf(argv[1], "%d,%d", &hbw, &dax));
        if (original()) {
            CHECK_NULL(memkind_malloc(MEMKIND_REGULAR, 0)); /* Ours knows its nodes before the first use. */
        }
        check_function("memkind_regular_all_get_mbind_nodemask", MEMKIND_REGULAR, 0);
        check_function("memkind_hbw_all_get_mbind_nodemask", MEMKIND_HBW_ALL, hbw);
        check_function("memkind_dax_kmem_all_get_mbind_nodemask", MEMKIND_DAX_KMEM_ALL, dax);
        return 0;
    }
    if (!one_node() || has_memory_attributes()) {
        SKIP("the expected masks are those of one node without memory attributes");
    }
    if (!has_hwloc()) {
        SKIP("no libhwloc can be loaded");
    }
    CHECK_CHILD(run_again("-20,-1", NULL));
    CHECK_CHILD(run_again("0,0", node_0_for_all_kinds));
    const char *const warning = "libnuma: Warning: node argument -1 is out of range\n\n";
    CHECK_OUTPUT(0, warning, "-12,-1", ENV("MEMKIND_HBW_NODES=-1"));
    CHECK_OUTPUT(0, warning, "-20,-12", ENV("MEMKIND_DAX_KMEM_NODES=-1"));
    return 0;
}
