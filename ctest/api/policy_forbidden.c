/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a seccomp filter forbids mbind, as Docker's does, kinds that bind are not available and say why and what
 * to do; the others go on, and hbw_malloc with the preferred policy gives ordinary memory. The original calls them
 * available, and their allocations fail. */
#include "forbid.h"
#include "output.h"

#include <hbwmalloc.h>

static void use(void)
{
    static memkind_t *const bound[] = {&MEMKIND_REGULAR, &MEMKIND_INTERLEAVE, &MEMKIND_HIGHEST_CAPACITY, &MEMKIND_HBW,
                                       &MEMKIND_HBW_PREFERRED};

    for (size_t i = 0; i < sizeof(bound) / sizeof(bound[0]); i++) {
        const int code = memkind_check_available(*bound[i]);

        if (!original()) {
            CHECK_INT(MEMKIND_ERROR_MBIND, code);
        }
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(*bound[i], 1000));
    }
    CHECK_INT(0, memkind_check_available(MEMKIND_DEFAULT));

    void *block = memkind_malloc(MEMKIND_DEFAULT, 1000);

    CHECK_NOT_NULL(block);
    memkind_free(MEMKIND_DEFAULT, block);
    if (!original()) {
        CHECK_INT(ENODEV, hbw_check_available());
        block = hbw_malloc(1000);
        CHECK_NOT_NULL(block);
        CHECK_PTR(MEMKIND_DEFAULT, memkind_detect_kind(block));
        hbw_free(block);
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        use();
        return 0;
    }
    forbid(SYS_mbind, EPERM);
    forbid(SYS_get_mempolicy, EPERM);
    CHECK_OUTPUT(0, "", "use", ENV("MEMKIND_HBW_NODES=0"));
    if (!original()) {
        const struct output *output = output_of("use", ENV("MEMKIND_HBW_NODES=0", "MEMKIND_DEBUG=1"));

        CHECK_INT(0, output->status);
        CHECK(strstr(output->text, "MEMKIND_ERROR: syscall mbind() failed: errno=1.\n") != NULL);
        CHECK(strstr(output->text, "--cap-add=SYS_NICE") != NULL);
    }
    return 0;
}
