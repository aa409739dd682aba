/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMKIND_HEAP_MANAGER: only the exact value TBB matters, and needs libtbbmalloc.so.2 with all that is used
 * of it when the library is loaded.
 * library: last */
#include "library.h"
#include "tbb.h"

#include <fcntl.h>

/* An environment in which `target` is found as libtbbmalloc.so.2; an empty file if it is NULL. */
static void check_ends(const char *target, const char *text)
{
    char directory[] = "/tmp/memkind-tbb-XXXXXX", file[64], variable[4096];
    const char *path = getenv("LD_LIBRARY_PATH");

    CHECK_NOT_NULL(mkdtemp(directory));
    snprintf(file, sizeof(file), "%s/libtbbmalloc.so.2", directory);
    if (target != NULL) {
        CHECK_INT(0, symlink(target, file));
    } else {
        CHECK_INT(0, close(open(file, O_CREAT | O_WRONLY, 0600)));
    }
    snprintf(variable, sizeof(variable), "LD_LIBRARY_PATH=%s:%s", directory, path != NULL ? path : "");
    const struct output *output = output_of("allocate", ENV(variable, "MEMKIND_HEAP_MANAGER=TBB"));
    unlink(file);
    rmdir(directory);
    check_output(__FILE__, __LINE__, ABORTED, text, output);
}

int main(int argc, char **argv)
{
    char path[4096];

    (void)argv;
    if (argc > 1) {
        skip_first_block(MEMKIND_REGULAR);
        void *block = memkind_malloc(MEMKIND_REGULAR, 5000);

        CHECK_NOT_NULL(block);
        CHECK_PTR(MEMKIND_REGULAR, memkind_detect_kind(block));
        printf("%zu\n", memkind_malloc_usable_size(MEMKIND_REGULAR, block));
        memkind_free(MEMKIND_REGULAR, block);
        return 0;
    }
    static const char *const jemalloc[] = {"", "JEMALLOC", "tbb", "TBBX", "none"};
    for (size_t i = 0; i < sizeof(jemalloc) / sizeof(jemalloc[0]); i++) {
        char variable[64];

        snprintf(variable, sizeof(variable), "MEMKIND_HEAP_MANAGER=%s", jemalloc[i]);
        CHECK_OUTPUT(0, "5120\n", "allocate", ENV(variable));
    }
    check_ends(NULL, "MEMKIND_FATAL: libtbbmalloc.so.2 not found.\n");
    check_ends(library_path("last", path, sizeof(path)),
               "MEMKIND_FATAL: Could not find symbols in libtbbmalloc.so.2.\n");
    need_tbb();
    CHECK_OUTPUT(0, "5376\n", "allocate", ENV("MEMKIND_HEAP_MANAGER=TBB"));
    return 0;
}
