/* SPDX-License-Identifier: BSD-2-Clause */
/* A call that succeeds keeps errno, also the first one for a kind, which looks at the machine: files that are
 * missing are no errors of the call. Difference: the original leaves the last of these errors in it.
 * huge pages: 8 */
#include "check.h"

#define KEPT EILSEQ

static memkind_t kind;
static unsigned first;

static void check_errno(const char *call)
{
    if (errno != KEPT) {
        FAIL("%s: errno has become %d", call, errno);
    }
}

static void check_block(void *block, const char *call)
{
    if (block != NULL) {
        check_errno(call);
        memkind_free(kind, block);
        check_errno("memkind_free");
    }
}

static void call_first(void)
{
    errno = KEPT;
    switch (first) {
    case 0:
        if (memkind_check_available(kind) == MEMKIND_SUCCESS) {
            check_errno("memkind_check_available");
        }
        break;
    case 1:
        if (memkind_get_capacity(kind) >= 0) {
            check_errno("memkind_get_capacity");
        }
        break;
    case 2:
        check_block(memkind_malloc(kind, 100), "memkind_malloc");
        break;
    case 3:
        check_block(memkind_calloc(kind, 10, 100 * KIB), "memkind_calloc");
        break;
    default:
        check_block(memkind_realloc(kind, NULL, 5000), "memkind_realloc");
        break;
    }
}

/* In a process whose library has done nothing yet. */
int main(int argc, char **argv)
{
    (void)argv;
    if (original()) {
        SKIP("the original does not keep it");
    }
    if (argc == 1) {
        CHECK_CHILD(run_again("nodes", node_0_for_all_kinds));
    }
    for (size_t i = 0; i < N_STATIC_KINDS; i++) {
        check_context = static_kinds[i].name;
        kind = *static_kinds[i].kind;
        for (first = 0; first < 5; first++) {
            CHECK_CHILD(run_forked(call_first));
        }
    }
    return 0;
}
