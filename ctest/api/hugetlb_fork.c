/* SPDX-License-Identifier: BSD-2-Clause */
/* Huge pages after fork, with none left in the pool: the kernel ends a child by SIGBUS that writes to a page of its
 * parent's, or touches one that the parent has written to since. What it was given before can be read; the child's
 * own allocations are refused; the parent keeps its pages.
 * huge pages: 8 */
#include "machine.h"

#include <sys/mman.h>
#include <sys/wait.h>

#define PAGE (2 * MIB)

static volatile char *block;
static int ready[2], written[2];

/* Reserves what is left in the pool, page by page; how many. */
static int take_the_rest(void)
{
    int pages = 0;

    while (mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0) != MAP_FAILED) {
        pages++;
    }
    return pages;
}

static void child_writes(void)
{
    block[0] = 9;
}

static void child_reads_later(void)
{
    char byte = 0;

    CHECK_INT(1, write(ready[1], "", 1));
    CHECK_INT(1, read(written[0], &byte, 1));
    byte = block[0];
    (void)byte;
}

static void child_reads(void)
{
    CHECK_INT(1, block[0]);
    CHECK_INT(1, block[PAGE - 1]);
}

static void child_allocates(void)
{
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(MEMKIND_HUGETLB, 64 * MIB));
}

/* How a child ends that does one thing; the parent writes meanwhile if `writes` is set. */
static int end_of(void (*child)(void), bool writes)
{
    char byte = 0;
    int status = 0;
    const pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        child();
        _exit(0);
    }
    if (writes) {
        CHECK_INT(1, read(ready[0], &byte, 1));
        block[0] = 1;
        CHECK_INT(1, write(written[1], "", 1));
    }
    CHECK_INT(pid, waitpid(pid, &status, 0));
    CHECK_INT(1, block[0]);
    block[1] = 1;
    return status;
}

int main(void)
{
    if (atol(first_line("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")) < 8) {
        SKIP("fewer than eight free huge pages");
    }
    block = memkind_malloc(MEMKIND_HUGETLB, PAGE);
    CHECK_NOT_NULL((void *)block);
    memset((void *)block, 1, PAGE);
    CHECK_INT(0, pipe(ready));
    CHECK_INT(0, pipe(written));
    CHECK(take_the_rest() > 0);

    CHECK_INT(0, end_of(child_reads, false));
    CHECK_INT(0, end_of(child_allocates, false));
    const int writes = end_of(child_writes, false), reads = end_of(child_reads_later, true);
    if (take_the_rest() > 0) {
        SKIP("another process has given huge pages back meanwhile");
    }
    CHECK(WIFSIGNALED(writes));
    CHECK_INT(SIGBUS, WTERMSIG(writes));
    CHECK(WIFSIGNALED(reads));
    CHECK_INT(SIGBUS, WTERMSIG(reads));
    return 0;
}
