/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMKIND_HBW_NODES and MEMKIND_DAX_KMEM_NODES are read when a kind of that family is first used, not at
 * load and not again; a bad list is reported once; an empty one means no memory. */
#include "machine.h"
#include "output.h"

#include <hbwmalloc.h>

static void use(memkind_t kind, bool works)
{
    void *block = memkind_malloc(kind, 1000);

    CHECK_INT(works, block != NULL);
    memkind_free(kind, block);
}

static void set_before_first_use(void)
{
    use(MEMKIND_DEFAULT, true);
    use(MEMKIND_REGULAR, true);
    CHECK_INT(0, setenv("MEMKIND_HBW_NODES", "0", 1));
    CHECK_INT(0, setenv("MEMKIND_DAX_KMEM_NODES", "0", 1));
    use(MEMKIND_HBW, true);
    use(MEMKIND_DAX_KMEM, true);
    CHECK_INT(0, setenv("MEMKIND_HBW_NODES", "-1", 1));
    CHECK_INT(0, setenv("MEMKIND_DAX_KMEM_NODES", "-1", 1));
    CHECK_INT(0, memkind_check_available(MEMKIND_HBW));
    CHECK_INT(0, memkind_check_available(MEMKIND_DAX_KMEM));
    use(MEMKIND_HBW, true);
    use(MEMKIND_DAX_KMEM, true);
}

static void bad_hbw_list(void)
{
    void *block = hbw_malloc(1000); /* The preferred policy: falls back on ordinary memory. */

    CHECK_NOT_NULL(block);
    hbw_free(block);
    use(MEMKIND_HBW, false);
    use(MEMKIND_HBW_ALL, false);
    use(MEMKIND_HBW_INTERLEAVE, false);
    CHECK_INT(ENODEV, hbw_check_available());
    for (int i = 0; i < 3; i++) {
        CHECK_INT(MEMKIND_ERROR_ENVIRON, memkind_check_available(MEMKIND_HBW));
        CHECK_INT(MEMKIND_ERROR_ENVIRON, memkind_check_available(MEMKIND_HBW_PREFERRED));
    }
}

static void bad_dax_list(void)
{
    use(MEMKIND_DAX_KMEM, false);
    use(MEMKIND_DAX_KMEM_ALL, false);
    use(MEMKIND_DAX_KMEM_PREFERRED, false);
    CHECK_INT(MEMKIND_ERROR_ENVIRON, memkind_check_available(MEMKIND_DAX_KMEM_INTERLEAVE));
}

static void empty_list(void)
{
    CHECK_INT(0, memkind_check_available(MEMKIND_HBW));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(MEMKIND_HBW, 1000));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(MEMKIND_HBW_ALL, 1000));
    CHECK_ALLOC_FAILS(0, memkind_malloc(MEMKIND_HBW, 0));
    CHECK_INT(0, memkind_get_capacity(MEMKIND_HBW));
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        switch (argv[1][0]) {
        case 's': set_before_first_use(); break;
        case 'h': bad_hbw_list(); break;
        case 'd': bad_dax_list(); break;
        default: empty_list(); break;
        }
        return 0;
    }
    if (!one_node() || has_memory_attributes()) {
        SKIP("the expectations are those of one node without memory attributes");
    }
    const char *const warning = "libnuma: Warning: node argument -1 is out of range\n\n";
    CHECK_OUTPUT(0, "", "set", ENV("MEMKIND_DEBUG", "MEMKIND_HBW_NODES", "MEMKIND_DAX_KMEM_NODES"));
    CHECK_OUTPUT(0, warning, "hbw", ENV("MEMKIND_HBW_NODES=-1"));
    CHECK_OUTPUT(0, warning, "dax", ENV("MEMKIND_DAX_KMEM_NODES=-1"));
    /* Difference: ours names the variable. */
    const struct output *told = output_of("hbw", ENV("MEMKIND_HBW_NODES=-1", "MEMKIND_DEBUG=1"));
    CHECK_INT(original(), strstr(told->text, "\nMEMKIND_ERROR: Cannot use MEMKIND_HBW_NODES: ") == NULL);
    told = output_of("dax", ENV("MEMKIND_DAX_KMEM_NODES=-1", "MEMKIND_DEBUG=1"));
    CHECK_INT(original(), strstr(told->text, "\nMEMKIND_ERROR: Cannot use MEMKIND_DAX_KMEM_NODES: ") == NULL);
    CHECK_OUTPUT(0, "", "empty", ENV("MEMKIND_HBW_NODES="));
    CHECK_OUTPUT(0, "", "empty", ENV("MEMKIND_HBW_NODES=!0"));
    return 0;
}
