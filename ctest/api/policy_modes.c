/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMKIND_PREFERRED_TIES and MEMKIND_INTERLEAVE: what is unset or empty changes nothing, what is unknown makes
 * the kinds concerned unavailable and says so, and "weighted" interleaves by weights where the kernel can. */
#include "output.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define WEIGHTED 6

/* A kernel without a mode of memory policy. */
static void forbid_mode(unsigned mode)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mbind, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, mode, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        puts("no seccomp");
        _exit(0);
    }
}

static int mode_of(memkind_t kind)
{
    char *block = memkind_malloc(kind, 100);
    int mode = -1;

    CHECK_NOT_NULL(block);
    CHECK_INT(0, syscall(SYS_get_mempolicy, &mode, NULL, 0UL, block, 2UL /* MPOL_F_ADDR */));
    memkind_free(kind, block);
    return mode;
}

/* Every mode that there is, and the codes of the kinds that the variables are about. */
static void show(void)
{
    printf("interleave %d %d", memkind_check_available(MEMKIND_INTERLEAVE),
           memkind_get_capacity(MEMKIND_INTERLEAVE) > 0);
    if (memkind_check_available(MEMKIND_INTERLEAVE) == 0) {
        printf(" mode %d", mode_of(MEMKIND_INTERLEAVE));
    } else {
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(MEMKIND_INTERLEAVE, 100));
    }
    printf(", dax_kmem_interleave %d, dax_kmem_preferred %d, regular %d %d\n",
           memkind_check_available(MEMKIND_DAX_KMEM_INTERLEAVE),
           memkind_check_available(MEMKIND_DAX_KMEM_PREFERRED), memkind_check_available(MEMKIND_REGULAR),
           mode_of(MEMKIND_REGULAR));
}

static void check(const char *expected, const char *change, const char *argument)
{
    check_context = change;
    CHECK_OUTPUT(0, expected, argument, ENV("MEMKIND_DAX_KMEM_NODES=0", change));
    check_context = NULL;
}

#define PLAIN "interleave 0 1 mode 3, dax_kmem_interleave 0, dax_kmem_preferred 0, regular 0 2\n"
#define BY_WEIGHT "interleave 0 1 mode 6, dax_kmem_interleave 0, dax_kmem_preferred 0, regular 0 2\n"

int main(int argc, char **argv)
{
    if (argc > 1) {
        if (strcmp(argv[1], "old") == 0) {
            forbid_mode(WEIGHTED);
        }
        show();
        return 0;
    }
    if (original()) {
        SKIP("the original does not have these variables");
    }
    if (memkind_check_available(MEMKIND_REGULAR) != 0) {
        SKIP("memory cannot be bound here");
    }
    check(PLAIN, "MEMKIND_INTERLEAVE", "show");
    check(PLAIN, "MEMKIND_INTERLEAVE=", "show");
    check(PLAIN, "MEMKIND_PREFERRED_TIES=", "show");
    check(PLAIN, "MEMKIND_PREFERRED_TIES=many", "show");
    check("interleave -12 0, dax_kmem_interleave -12, dax_kmem_preferred 0, regular 0 2\n", "MEMKIND_INTERLEAVE=Weighted",
          "show");
    check("interleave 0 1 mode 3, dax_kmem_interleave 0, dax_kmem_preferred -12, regular 0 2\n",
          "MEMKIND_PREFERRED_TIES=1", "show");

    const bool known = syscall(SYS_mbind, 0UL, 0UL, (unsigned long)WEIGHTED, NULL, 0UL, 0UL) == 0;

    check(known ? BY_WEIGHT : PLAIN, "MEMKIND_INTERLEAVE=weighted", "show");

    /* The reason is said, once. */
    const struct output *output =
        output_of("show", ENV("MEMKIND_DAX_KMEM_NODES=0", "MEMKIND_DEBUG=1", "MEMKIND_INTERLEAVE=x"));
    const char *line = "MEMKIND_ERROR: Environment variable MEMKIND_INTERLEAVE is \"x\"; its one value is \"weighted\".\n";
    const char *at = strstr(output->text, line);

    CHECK(at != NULL && strstr(at + 1, line) == NULL);
    output = output_of("show", ENV("MEMKIND_DAX_KMEM_NODES=0", "MEMKIND_DEBUG=1", "MEMKIND_PREFERRED_TIES=x"));
    line = "MEMKIND_ERROR: Environment variable MEMKIND_PREFERRED_TIES is \"x\"; its one value is \"many\".\n";
    at = strstr(output->text, line);
    CHECK(at != NULL && strstr(at + 1, line) == NULL);

    /* On an older kernel pages alternate as ever. */
    output = output_of("old", ENV("MEMKIND_DAX_KMEM_NODES=0", "MEMKIND_DEBUG=1", "MEMKIND_INTERLEAVE=weighted"));
    if (strstr(output->text, "no seccomp") == NULL) {
        CHECK(strstr(output->text, "Linux 6.9") != NULL);
        CHECK(strstr(output->text, PLAIN) != NULL);
    }
    return 0;
}
