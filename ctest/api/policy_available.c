/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_check_available per kind, and what MEMKIND_HBW_NODES, MEMKIND_DAX_KMEM_NODES and
 * MEMKIND_HBW_THRESHOLD make of it, on one node without memory attributes. */
#include "machine.h"
#include "output.h"

/* The argument of the child: three numbers, the codes for kinds of ordinary memory that need memory
 * attributes or HBW nodes, for DAX_KMEM kinds, and for HBW huge page kinds. */
static void check_codes(int hbw, int dax, int hbw_huge)
{
    for (size_t i = 0; i < N_STATIC_KINDS; i++) {
        const char *name = static_kinds[i].name;
        int code = 0;

        if (strstr(name, "dax_kmem") != NULL) {
            code = dax;
        } else if (strstr(name, "gbtlb") != NULL) {
            code = MEMKIND_ERROR_HUGETLB;
        } else if (strstr(name, "hbw") != NULL) {
            code = strstr(name, "hugetlb") != NULL ? hbw_huge : hbw;
        } else if (strstr(name, "latency") != NULL || strstr(name, "bandwidth") != NULL) {
            code = MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE;
        } else if (strstr(name, "hugetlb") != NULL) {
            code = MEMKIND_ERROR_HUGETLB;
        }
        for (int again = 0; again < 2; again++) {
            check_int(__FILE__, __LINE__, name, code, memkind_check_available(*static_kinds[i].kind));
        }
        void *block = memkind_malloc(*static_kinds[i].kind, 1000);
        if ((code == 0) != (block != NULL)) {
            FAIL("%s: availability is %d and malloc gave %p", name, code, block);
        }
        memkind_free(*static_kinds[i].kind, block);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        int hbw = 1, dax = 1, hbw_huge = 1;
        CHECK_INT(3, sscanf(argv[1], "%d,%d,%d", &hbw, &dax, &hbw_huge));
        check_codes(hbw, dax, hbw_huge);
        return 0;
    }
    if (!has_hwloc()) {
        SKIP("no libhwloc can be loaded");
    }
    if (!one_node() || has_memory_attributes() || has_huge_pages()) {
        SKIP("the expected codes are those of one node without memory attributes and huge pages");
    }
    static const struct {
        const char *environment, *codes, *text;
    } cases[] = {
        {"MEMKIND_DEBUG", "-20,-1,-20", ""},
        {"MEMKIND_HBW_NODES=0", "0,-1,-18", ""},
        {"MEMKIND_HBW_NODES=0-0", "0,-1,-18", ""},
        {"MEMKIND_HBW_NODES=0,0", "0,-1,-18", ""},
        {"MEMKIND_HBW_NODES=all", "0,-1,-18", ""},
        {"MEMKIND_HBW_NODES=+0", "0,-1,-18", ""},
        {"MEMKIND_HBW_NODES=-1", "-12,-1,-12", "libnuma: Warning: node argument -1 is out of range\n\n"},
        {"MEMKIND_HBW_NODES=abc", "-12,-1,-12", "libnuma: Warning: unparseable node description `abc'\n\n"},
        {"MEMKIND_DAX_KMEM_NODES=0", "-20,0,-20", ""},
        {"MEMKIND_DAX_KMEM_NODES=-1", "-20,-12,-20", "libnuma: Warning: node argument -1 is out of range\n\n"},
        {"MEMKIND_DAX_KMEM_NODES=abc", "-20,-12,-20",
         "libnuma: Warning: unparseable node description `abc'\n\n"},
        {"MEMKIND_HBW_THRESHOLD=", "-20,-1,-20", ""},
        {"MEMKIND_HBW_THRESHOLD=0", "-20,-1,-20", ""},
        {"MEMKIND_HBW_THRESHOLD=4294967295", "-20,-1,-20", ""},
        {"MEMKIND_HBW_THRESHOLD=4294967296", "-12,-1,-12", ""},
        {"MEMKIND_HBW_THRESHOLD=-1", "-12,-1,-12", ""},
        {"MEMKIND_HBW_THRESHOLD=abc", "-12,-1,-12", ""},
        {"MEMKIND_HBW_THRESHOLD=1x", "-12,-1,-12", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct output *output = output_of(cases[i].codes, ENV(cases[i].environment));
        if (output->status != 0 || strcmp(output->text, cases[i].text) != 0) {
            FAIL("%s: expected status 0 and \"%s\", got %d and \"%s\"", cases[i].environment, cases[i].text,
                 output->status, output->text);
        }
    }
    return 0;
}
