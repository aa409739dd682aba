/* SPDX-License-Identifier: BSD-2-Clause */
/* Where /sys is not mounted, as in a plain chroot, ordinary memory is there; and of the kinds for which nodes must be
 * known it is said what is missing. */
#include "output.h"
#include "pmem.h"

#include <sched.h>
#include <sys/mount.h>

static int use(void)
{
    memkind_t kind = NULL;
    void *block = memkind_malloc(MEMKIND_DEFAULT, 100);

    CHECK_NOT_NULL(block);
    memkind_free(MEMKIND_DEFAULT, block);
    CHECK_INT(MEMKIND_ERROR_UNAVAILABLE, memkind_check_available(MEMKIND_REGULAR));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(MEMKIND_REGULAR, 100));
    CHECK_INT(0, memkind_create_pmem(test_dir(), 0, &kind));
    block = memkind_malloc(kind, 100);
    CHECK_NOT_NULL(block);
    memkind_free(kind, block);
    CHECK_INT(0, memkind_destroy_kind(kind));
    return 0;
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        return use();
    }
    if (original()) {
        SKIP("the original crashes");
    }
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/sys", "tmpfs", 0, NULL) != 0) {
        SKIP("may not hide /sys: %s", strerror(errno));
    }
    CHECK_OUTPUT(0,
                 "MEMKIND_ERROR: No node with CPUs was found in /sys/devices/system/node: is /sys mounted?\n"
                 "MEMKIND_INFO: Initializing kind memkind_regular.\n",
                 "use", ENV("MEMKIND_DEBUG=1"));
    return 0;
}
