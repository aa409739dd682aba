/* SPDX-License-Identifier: BSD-2-Clause */
/* Without NUMA system calls (a kernel without NUMA, or a sandbox that forbids them) DEFAULT works and a
 * kind that must place memory ends the program with a message. */
#include "output.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static void forbid_numa(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_get_mempolicy, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mbind, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_set_mempolicy, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    };
    const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        SKIP("no seccomp filters here: %s", strerror(errno));
    }
}

static const char *const placed[] = {"memkind_regular", "memkind_interleave", "memkind_highest_capacity",
                                     "memkind_hbw"};

static void use(const char *name)
{
    memkind_t kind = NULL;

    for (size_t i = 0; i < N_STATIC_KINDS; i++) {
        if (strcmp(name, static_kinds[i].name) == 0) {
            kind = *static_kinds[i].kind;
        }
    }
    void *block = memkind_malloc(kind, 1000);

    CHECK_NOT_NULL(block);
    memkind_free(kind, block);
    puts("passed");
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        use(argv[1]);
        return 0;
    }
    forbid_numa();
    CHECK_OUTPUT(0, "passed\n", "memkind_default", NO_ENV);
    for (size_t i = 0; i < sizeof(placed) / sizeof(placed[0]); i++) {
        char text[128];

        snprintf(text, sizeof(text), "MEMKIND_FATAL: [%s] NUMA not available (error code:-1).\n", placed[i]);
        CHECK_OUTPUT(ABORTED, text, placed[i], NO_ENV);
    }
    return 0;
}
