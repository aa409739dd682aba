/* SPDX-License-Identifier: BSD-2-Clause */
/* A failure that passes, as the want of a descriptor is, at the first use of a kind: what was found then is
 * not kept. Afterwards each kind is what it is in a program that had descriptors from the start. */
#include "machine.h"

#include <sys/mman.h>
#include <sys/resource.h>

struct answers {
    int available[N_STATIC_KINDS];
    bool has_block[N_STATIC_KINDS];
};


static void ask(struct answers *answers)
{
    for (size_t i = 0; i < N_STATIC_KINDS; i++) {
        const memkind_t kind = *static_kinds[i].kind;
        void *block = memkind_malloc(kind, 1000);

        answers->has_block[i] = block != NULL;
        answers->available[i] = memkind_check_available(kind);
        memkind_free(kind, block);
    }
}

/* Takes all descriptors, up to as many as `left`, while the kinds are used first. */
static void ask_without(struct answers *answers, int left)
{
    struct answers meanwhile;
    int first = -1, last = -1;
    const struct rlimit few = {64, 64};
    struct rlimit before;

    CHECK_INT(0, getrlimit(RLIMIT_NOFILE, &before));
    CHECK_INT(0, setrlimit(RLIMIT_NOFILE, &(struct rlimit){few.rlim_cur, before.rlim_max}));
    for (int fd; (fd = dup(STDIN_FILENO)) >= 0; last = fd) {
        first = first < 0 ? fd : first;
    }
    for (int i = 0; i < left; i++) {
        CHECK_INT(0, close(last - i));
    }
    ask(&meanwhile);
    for (int fd = first; fd <= last - left; fd++) {
        close(fd);
    }
    CHECK_INT(0, setrlimit(RLIMIT_NOFILE, &before));
    ask(answers);
}

int main(int argc, char **argv)
{
    static struct answers *answers;

    if (argc == 1) {
        if (original()) {
            SKIP("the original keeps what it found");
        }
        return run_again("again", node_0_for_all_kinds);
    }
    (void)argv;
    answers = mmap(NULL, 8 * sizeof(*answers), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(answers != MAP_FAILED);
    /* None at all, or some: then a part of what is read can be. */
    for (int left = -1; left < 5; left++) {
        fflush(NULL);
        const pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            left < 0 ? ask(&answers[7]) : ask_without(&answers[left], left);
            _exit(0);
        }
        CHECK_INT(0, child_wait(pid));
        for (size_t i = 0; left >= 0 && i < N_STATIC_KINDS; i++) {
            check_context = static_kinds[i].name;
            CHECK_INT(answers[7].available[i], answers[left].available[i]);
            CHECK_INT(answers[7].has_block[i], answers[left].has_block[i]);
        }
    }
    return 0;
}
