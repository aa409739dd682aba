/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMKIND_HEAP_MANAGER: only the exact value TBB matters, and needs libtbbmalloc.so.2 when the library
 * is loaded. */
#include "output.h"

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        void *block = memkind_malloc(MEMKIND_REGULAR, 1000);

        CHECK_NOT_NULL(block);
        CHECK_PTR(MEMKIND_REGULAR, memkind_detect_kind(block));
        memkind_free(MEMKIND_REGULAR, block);
        puts("passed");
        return 0;
    }
    static const char *const jemalloc[] = {"", "JEMALLOC", "tbb", "TBBX", "none"};
    for (size_t i = 0; i < sizeof(jemalloc) / sizeof(jemalloc[0]); i++) {
        char variable[64];

        snprintf(variable, sizeof(variable), "MEMKIND_HEAP_MANAGER=%s", jemalloc[i]);
        CHECK_OUTPUT(0, "passed\n", "allocate", ENV(variable));
    }
    /* Difference: ours has no TBB heap manager yet and says so, whether the library is there or not. */
    if (!original()) {
        CHECK_OUTPUT(ABORTED,
                     "MEMKIND_FATAL: MEMKIND_HEAP_MANAGER=TBB: the TBB heap manager is not built into this "
                     "library; unset the variable to use jemalloc.\n",
                     "allocate", ENV("MEMKIND_HEAP_MANAGER=TBB"));
        return 0;
    }
    if (dlopen("libtbbmalloc.so.2", RTLD_LAZY) != NULL) {
        SKIP("libtbbmalloc.so.2 is installed, so its absence cannot be seen");
    }
    CHECK_OUTPUT(ABORTED, "MEMKIND_FATAL: libtbbmalloc.so.2 not found.\n", "allocate",
                 ENV("MEMKIND_HEAP_MANAGER=TBB"));
    return 0;
}
