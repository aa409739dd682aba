/* SPDX-License-Identifier: BSD-2-Clause */
/* libhwloc is loaded when bandwidth or latency are first asked for, and not before: it would be a good
 * part of what each process start costs. A machine without it has all kinds that need neither. */
#include "machine.h"

#include <fcntl.h>
#include <link.h>
#include <sched.h>
#include <sys/mount.h>

static bool is_loaded(const char *library)
{
    char line[4096];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "r");

    CHECK_NOT_NULL(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        found = found || strstr(line, library) != NULL;
    }
    fclose(maps);
    return found;
}

static void use(memkind_t kind)
{
    void *block = memkind_malloc(kind, 100);

    CHECK_NOT_NULL(block);
    memkind_free(NULL, block);
}

static void loads_it_when_needed(void)
{
    CHECK(!is_loaded("libhwloc"));
    use(MEMKIND_DEFAULT);
    use(MEMKIND_REGULAR);
    use(MEMKIND_HIGHEST_CAPACITY);
    memkind_check_available(MEMKIND_DAX_KMEM);
    CHECK(!is_loaded("libhwloc"));
    /* Named nodes need no bandwidth. */
    setenv("MEMKIND_HBW_NODES", "0", 1);
    use(MEMKIND_HBW);
    CHECK(!is_loaded("libhwloc"));
    use(MEMKIND_HIGHEST_CAPACITY_LOCAL);
    CHECK(is_loaded("libhwloc"));
}

/* In place of the library lies an empty file, for this process alone. */
static void hide(const char *path)
{
    char empty[] = "/tmp/memkind-empty.XXXXXX";
    const int file = mkstemp(empty);

    CHECK(file >= 0);
    close(file);
    const bool hidden = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                        mount(empty, path, NULL, MS_BIND, NULL) == 0;
    unlink(empty);
    if (!hidden) {
        SKIP("may not hide libhwloc: %s", strerror(errno));
    }
}

static void does_without(void)
{
    void *library = dlopen("libhwloc.so.15", RTLD_LAZY);
    struct link_map *map;
    char path[4096];

    CHECK_NOT_NULL(library);
    CHECK_INT(0, dlinfo(library, RTLD_DI_LINKMAP, &map));
    snprintf(path, sizeof(path), "%s", map->l_name);
    dlclose(library);
    hide(path);
    use(MEMKIND_DEFAULT);
    use(MEMKIND_REGULAR);
    CHECK_INT(MEMKIND_ERROR_UNAVAILABLE, memkind_check_available(MEMKIND_HIGHEST_CAPACITY_LOCAL));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(MEMKIND_LOWEST_LATENCY_LOCAL, 100));
    use(MEMKIND_DEFAULT);
}

int main(void)
{
    if (original()) {
        SKIP("the original is linked to libhwloc");
    }
    CHECK_CHILD(run_forked(need_hwloc));
    CHECK_CHILD(run_forked(loads_it_when_needed));
    CHECK_CHILD(run_forked(does_without));
    return 0;
}
