/* SPDX-License-Identifier: BSD-2-Clause */
/* A model of the heap, driven by many threads: a table of blocks, of which the program knows size, kind
 * and contents. Every thread picks blocks at random, of all threads, checks size, kind and contents and then
 * frees, grows, shrinks or moves them; meanwhile kinds are destroyed and replaced, threads end and
 * others start, and the process forks. Whatever the library says or gives must agree with the table.
 *
 * usage: stress [-t seconds] [-s seed] [-n threads] [-b blocks] [-o operations] [-cdfmrw]
 *   -o  end after that many operations, too      -c  keep the kinds of the start
 *   -d  no dynamic kinds at all                  -f  do not fork
 *   -m  do not ask for statistics
 *   -r  do not fill kinds that have become empty
 *   -w  never name a wrong kind (what the original cannot stand)
 * The seed is printed; with one thread (-n 1) a run repeats exactly. Exit status: 0 passed, 1 failed.
 */
#include "model.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

static unsigned seconds = 10, n_threads = 8;
static uint64_t most_operations = UINT64_MAX;
static bool may_fork = true;
static atomic_bool stop;
static _Atomic uint64_t operations, forks, threads_ended;

/* ---- One operation on one block ---- */

static void work_on(struct thread *thread, struct block *block)
{
    if (block->address == NULL) {
        make_block(thread, block);
        return;
    }
    check_block(thread, block);
    switch (chance(thread, 10)) {
    case 0:
    case 1:
        resize_block(thread, block);
        break;
    case 2:
        ask_block(thread, block);
        break;
    case 3:
        move_block(thread, block);
        break;
    default:
        free_block(thread, block);
        break;
    }
}

/* Of this library only (memkind_ext.h). */
__attribute__((weak)) int memkind_set_block_order(int order);

/* Locks a block that no other thread works on, with its kind, and makes one operation on it. */
static void step(struct thread *thread)
{
    if (memkind_set_block_order != NULL && chance(thread, 10000) == 0) {
        memkind_set_block_order((int)chance(thread, 2));
    }
    struct block *block = &blocks[chance(thread, n_blocks)];
    if (!try_lock_block(block)) {
        return;
    }
    if (block->address != NULL && !enter_kind(block->kind)) {
        unlock_block(block);
        return;
    }
    unsigned kind = block->kind;
    bool entered = block->address != NULL;
    /* The kind may have gone, and the block with it. */
    if (entered && block->generation != kinds[kind].generation) {
        block->address = NULL;
        leave_kind(kind);
        entered = false;
    }
    if (!entered) {
        kind = chance(thread, n_kinds);
        if (!enter_kind(kind)) {
            unlock_block(block);
            return;
        }
        block->kind = kind;
        block->generation = kinds[kind].generation;
    }
    work_on(thread, block);
    leave_kind(kind);
    unlock_block(block);
}

/* ---- A child process: its memory is its own, whatever other threads were doing ---- */

static void child(struct thread *thread)
{
    thread->child = true;
    alarm(60);
    /* Of a file's pages, those that the child has not written may follow the parent's later writes. */
    for (unsigned i = 0; i < n_blocks; i++) {
        if (kinds[blocks[i].kind].file) {
            blocks[i].filled = 0;
        }
    }
    for (unsigned i = 0; i < 2000; i++) {
        step(thread);
    }
    for (unsigned k = 0; k < n_kinds; k++) {
        if (enter_kind(k)) {
            void *p = memkind_malloc(kinds[k].kind, 100);
            REQUIRE(thread, p != NULL || kinds[k].limit != 0, "%s: malloc in a child", kinds[k].name);
            memkind_free(NULL, p);
            leave_kind(k);
        }
    }
    _exit(0);
}

static void fork_once(struct thread *thread)
{
    int status;
    pid_t pid = fork();
    REQUIRE(thread, pid >= 0, "fork: %s", strerror(errno));
    if (pid == 0) {
        child(thread);
    }
    REQUIRE(thread, waitpid(pid, &status, 0) == pid, "waitpid");
    REQUIRE(thread, WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with status %#x%s", status,
            WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? ": it hung" : "");
    forks++;
}

/* ---- Threads ---- */

static void *run(void *argument)
{
    struct thread *thread = argument;
    /* Some threads do next to nothing, most some thousand operations. */
    uint64_t life = chance(thread, 4) == 0 ? 1 + chance(thread, 20) : 1 + chance(thread, 8000);
    for (uint64_t i = 0; i < life && !stop; i++) {
        step(thread);
        if (operations++ >= most_operations) {
            stop = true;
        }
        if (may_fork && chance(thread, 40000) == 0) {
            fork_once(thread);
        }
        if (may_renew && chance(thread, 1000) == 0) {
            renew_kind(thread);
        }
    }
    return NULL;
}

static double elapsed(const struct timespec *since)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - since->tv_sec) + 1e-9 * (double)(now.tv_nsec - since->tv_nsec);
}

static void run_threads(uint64_t seed)
{
    struct slot {
        pthread_t id;
        struct thread thread;
        bool used;
    } *slots = calloc(n_threads, sizeof(*slots));
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (uint64_t born = 0; !stop; born++) {
        struct slot *slot = &slots[born % n_threads];
        if (slot->used) {
            pthread_join(slot->id, NULL);
            threads_ended++;
        }
        slot->thread = new_thread(seed, born);
        slot->used = pthread_create(&slot->id, NULL, run, &slot->thread) == 0;
        REQUIRE(&slot->thread, slot->used, "pthread_create");
        if (elapsed(&start) > seconds) {
            stop = true;
        }
    }
    for (unsigned i = 0; i < n_threads; i++) {
        if (slots[i].used) {
            pthread_join(slots[i].id, NULL);
            threads_ended++;
        }
    }
    free(slots);
}

/* ---- The end: everything goes, and the library agrees that nothing is left ---- */

static void free_everything(struct thread *thread)
{
    for (unsigned i = 0; i < n_blocks; i++) {
        struct block *block = &blocks[i];
        if (block->address != NULL && block->generation == kinds[block->kind].generation) {
            check_block(thread, block);
            free_block(thread, block);
        }
    }
    for (unsigned k = 0; k < n_kinds; k++) {
        if (kinds[k].dynamic) {
            check_empty(thread, k);
            destroy_kind(thread, k);
        }
    }
}

static void hung(int number)
{
    static const char text[] = "stress: hung: a thread did not come back in time\n";
    (void)number;
    (void)!write(2, text, sizeof(text) - 1);
    _exit(1);
}

int main(int argc, char **argv)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed = (uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec;
    bool dynamic = true;
    for (int option; (option = getopt(argc, argv, "t:s:n:b:o:cdfmrw")) != -1;) {
        switch (option) {
        case 't':
            seconds = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 's':
            seed = strtoull(optarg, NULL, 10);
            break;
        case 'n':
            n_threads = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'b':
            n_blocks = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'o':
            most_operations = strtoull(optarg, NULL, 10);
            break;
        case 'c':
            may_renew = false;
            break;
        case 'd':
            dynamic = may_renew = false;
            break;
        case 'f':
            may_fork = false;
            break;
        case 'm':
            may_count = false;
            break;
        case 'r':
            may_refill = false;
            break;
        case 'w':
            may_be_wrong = false;
            break;
        default:
            return 2;
        }
    }
    if (n_threads == 0 || n_blocks == 0 || n_blocks > MOST_BLOCKS) {
        return 2;
    }
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    signal(SIGALRM, hung);
    alarm(seconds * 4 + 120);

    struct thread first = new_thread(seed, UINT32_MAX);
    make_kinds(&first, dynamic);
    run_threads(seed);
    free_everything(&first);
    printf("%llu operations, %llu blocks of %u kinds, %llu kinds made again, %llu threads, %llu forks, %llu moved\n",
           (unsigned long long)operations, (unsigned long long)blocks_made, n_kinds, (unsigned long long)kinds_renewed,
           (unsigned long long)threads_ended, (unsigned long long)forks, (unsigned long long)blocks_moved);
    return blocks_made > 0 ? 0 : 1;
}
