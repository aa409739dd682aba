/* SPDX-License-Identifier: BSD-2-Clause */
/* libmemkind.so can be opened a second time by its plain name in a program linked to libmemkind.so.0:
 * it is the same library, its kinds are variables, and closing it leaves them usable. */
#include "check.h"

int main(int argc, char **argv)
{
    static const char *const names[] = {"MEMKIND_DEFAULT", "MEMKIND_HBW", "MEMKIND_HBW_HUGETLB",
                                        "MEMKIND_HBW_PREFERRED", "MEMKIND_HBW_INTERLEAVE"};
    memkind_t *const kinds[] = {&MEMKIND_DEFAULT, &MEMKIND_HBW, &MEMKIND_HBW_HUGETLB,
                                &MEMKIND_HBW_PREFERRED, &MEMKIND_HBW_INTERLEAVE};
    const size_t size = 4 * MIB + 1;

    (void)argv;
    if (argc == 1) {
        return run_again("with node 0", node_0_for_all_kinds);
    }
    void *library = dlopen("libmemkind.so", RTLD_LAZY);
    if (library == NULL) {
        FAIL("dlopen: %s", dlerror());
    }
    /* The same code, not another copy of it. */
    void *(*linked)(memkind_t, size_t) = memkind_malloc;
    void *address;
    memcpy(&address, &linked, sizeof(address));
    CHECK_PTR(address, dlsym(library, "memkind_malloc"));

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        check_context = names[i];
        memkind_t *variable = dlsym(library, names[i]);
        CHECK_NOT_NULL(variable);
        CHECK_PTR(*kinds[i], *variable);
        if (memkind_check_available(*variable) == 0) {
            char *block = memkind_malloc(*variable, size);
            CHECK_NOT_NULL(block);
            fill(block, size, 1);
            memkind_free(*variable, block);
        }
    }
    check_context = NULL;
    CHECK_INT(0, dlclose(library));
    void *block = memkind_malloc(MEMKIND_DEFAULT, size);
    CHECK_NOT_NULL(block);
    memkind_free(MEMKIND_DEFAULT, block);
    CHECK_INT(0, memkind_check_available(MEMKIND_HBW));
    return 0;
}
