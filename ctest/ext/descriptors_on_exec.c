/* SPDX-License-Identifier: BSD-2-Clause */
/* Every descriptor that the library opens for files of kinds, shared memory and the state of the machine is closed
 * when the program executes another. Two threads: one uses the library, the other looks all the time. */
#include "threads.h"

#include <fcntl.h>
#include <memkind_ext.h>
#include <stdatomic.h>

static bool ours[256];
static atomic_bool stop;
static atomic_ulong n_seen;

static void *look(void *unused)
{
    (void)unused;
    while (!stop) {
        for (int fd = 0; fd < 256; fd++) {
            const int flags = ours[fd] ? -1 : fcntl(fd, F_GETFD);

            if (flags >= 0) {
                n_seen++;
                if ((flags & FD_CLOEXEC) == 0) {
                    char link[64], file[256] = "";

                    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
                    if (readlink(link, file, sizeof(file) - 1) >= 0) {
                        FAIL("%s stays open on exec", file);
                    }
                }
            }
        }
    }
    return NULL;
}

static memkind_t shared_kind(void)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = NULL;

    CHECK_NOT_NULL(config);
    memkind_config_set_options(config, MEMKIND_OPTION_SHARED);
    CHECK_INT(0, memkind_create_with_config(config, &kind));
    memkind_config_delete(config);
    return kind;
}

int main(void)
{
    memkind_t kinds[2];
    pthread_t thread;

    /* libhwloc, which reads the facts of the machine once, opens files without that flag. */
    for (size_t k = 0; k < N_STATIC_KINDS; k++) {
        memkind_free(NULL, memkind_malloc(*static_kinds[k].kind, 1000));
    }
    for (int fd = 0; fd < 256; fd++) {
        ours[fd] = fcntl(fd, F_GETFD) >= 0;
    }
    CHECK_INT(0, pthread_create(&thread, NULL, look, NULL));
    for (int i = 0; i < 20; i++) {
        kinds[0] = make_pmem(test_dir(), 64 * MIB);
        kinds[1] = shared_kind();
        for (int k = 0; k < 2; k++) {
            void *block = memkind_malloc(kinds[k], MIB);
            CHECK_NOT_NULL(block);
            memset(block, 1, MIB);
        }
        usleep(1000);
        CHECK_INT(0, memkind_destroy_kind(kinds[0]));
        CHECK_INT(0, memkind_destroy_kind(kinds[1]));
    }
    stop = true;
    CHECK_INT(0, pthread_join(thread, NULL));
    CHECK(n_seen > 0);
    return 0;
}
