/* SPDX-License-Identifier: BSD-2-Clause */
/* Decorators in a preloaded library are called; without it none are and nothing is missed.
 * library: hooks */
#include "decorator.h"
#include "library.h"

int main(int argc, char **argv)
{
    char preload[4096 + 32] = "LD_PRELOAD=";

    (void)argv;
    skip_without_decorators();
    if (argc > 1) {
        struct hooks *hooks = dlsym(RTLD_DEFAULT, "decorator_hooks");

        CHECK_NOT_NULL(hooks);
        check_hooks(hooks);
        return 0;
    }
    CHECK_NULL(dlsym(RTLD_DEFAULT, "memkind_malloc_pre"));
    void *block = memkind_realloc(MEMKIND_REGULAR, memkind_malloc(MEMKIND_REGULAR, 10), 1000);
    CHECK_NOT_NULL(block);
    memkind_free(NULL, block);

    library_path("hooks", preload + strlen(preload), sizeof(preload) - strlen(preload));
    CHECK_CHILD(run_again("with-hooks", (const char *const[]){preload, NULL}));
    return 0;
}
