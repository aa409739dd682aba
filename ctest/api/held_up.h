/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread that is held up whenever it gives pages of a file back, as on a busy machine. */
#ifndef MEMKIND_CTEST_HELD_UP_H
#define MEMKIND_CTEST_HELD_UP_H

#include "forbid.h"

#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define HELD_UP_MS 70

static int listener = -1;
static pthread_barrier_t begun;

/* Lets each call of the other thread go on after a while. */
static inline void *hold_up(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&begun);
    for (;;) {
        struct seccomp_notif call;
        struct seccomp_notif_resp answer;

        memset(&call, 0, sizeof(call));
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) == 0) {
            usleep(HELD_UP_MS * 1000);
            memset(&answer, 0, sizeof(answer));
            answer.id = call.id;
            answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
            ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
        }
    }
    return NULL;
}

/* From here on each request of this thread to give pages of a file back takes long, and no CPU time. */
static inline void be_held_up(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_REMOVE, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    pthread_t thread;

    /* The other thread is not held up: it is there before. */
    CHECK_INT(0, pthread_barrier_init(&begun, NULL, 2));
    CHECK_INT(0, pthread_create(&thread, NULL, hold_up, NULL));
    CHECK_INT(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (listener < 0) {
        SKIP("no calls can be held up here: %s", strerror(errno));
    }
    pthread_barrier_wait(&begun);
}

#endif
