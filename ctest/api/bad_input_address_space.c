/* SPDX-License-Identifier: BSD-2-Clause */
/* When RLIMIT_AS leaves no room every kind gives NULL and ENOMEM, blocks stay intact, and the kind goes
 * on when there is room again. Difference: the original has thousands of mappings by then and reports what
 * it meets first, so kinds are made on ours alone. */
#include "process.h"

static void check_kind(memkind_t kind)
{
    enum { MOST = 1000 };
    static char *blocks[MOST];
    void *block = NULL;
    int n = 0;

    blocks[n++] = memkind_malloc(kind, MIB);
    limit_address_space(address_space() + 64 * MIB);
    while (n < MOST) {
        errno = 0;
        blocks[n] = memkind_malloc(kind, MIB);
        if (blocks[n] == NULL) {
            CHECK_INT(ENOMEM, errno);
            break;
        }
        memset(blocks[n], n, MIB);
        n++;
    }
    CHECK(n > 16 && n < MOST);
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, 200 * MIB));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_calloc(kind, 2, 200 * MIB));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_realloc(kind, blocks[1], 200 * MIB));
    CHECK_INT(ENOMEM, memkind_posix_memalign(kind, &block, 4096, 200 * MIB));
    for (int i = 1; i < n; i++) {
        CHECK_INT(i & 0xff, (unsigned char)blocks[i][0]);
        CHECK_INT(i & 0xff, (unsigned char)blocks[i][MIB - 1]);
    }
    limit_address_space(RLIM_INFINITY);
    block = memkind_malloc(kind, 200 * MIB);
    CHECK_NOT_NULL(block);
    memkind_free(kind, block);
    for (int i = 0; i < n; i++) {
        memkind_free(kind, blocks[i]);
    }
}

/* Making kinds fails with a code and leaves nothing; until then they are made. */
static void check_making(void)
{
    enum { MOST = 400 };
    static char directory[4000] = "/dev/shm";
    static char areas[MOST][64 * KIB] __attribute__((aligned(4096)));
    static memkind_t kinds[2 * MOST];
    int n = 0, status = 0;

    /* The kind remembers its directory: the longer, the more it takes. */
    while (strlen(directory) < sizeof(directory) - 3) {
        strcat(directory, "/.");
    }
    limit_address_space(1 * MIB);
    while (status == 0 && n < MOST) {
        status = memkind_create_pmem(directory, 0, &kinds[n]);
        n += status == 0;
    }
    const int n_files = n;
    const int file_status = status;
    for (status = 0; status == 0 && n < 2 * MOST; n += status == 0) {
        status = memkind_create_fixed(areas[n - n_files], sizeof(areas[0]), &kinds[n]);
    }
    limit_address_space(RLIM_INFINITY);
    if (n_files == 0 || n_files == MOST) {
        FAIL("%d kinds were made", n_files);
    }
    CHECK_INT(MEMKIND_ERROR_MALLOC, file_status);
    CHECK(status == MEMKIND_ERROR_MALLOC || status == MEMKIND_ERROR_TOOMANY);
    for (int i = 0; i < n; i++) {
        CHECK_INT(0, memkind_destroy_kind(kinds[i]));
    }
    for (n = 0; n < MOST; n++) {
        CHECK_INT(0, memkind_create_pmem(directory, 0, &kinds[n]));
        CHECK_NOT_NULL(memkind_malloc(kinds[n], 64));
    }
    for (int i = 0; i < n; i++) {
        CHECK_INT(0, memkind_destroy_kind(kinds[i]));
    }
}

int main(void)
{
    need_unlimited_address_space();
    if (!original()) {
        check_making();
    }
    check_kind(MEMKIND_DEFAULT);
    check_kind(MEMKIND_REGULAR);
    check_kind(MEMKIND_INTERLEAVE);
    memkind_t pmem = make_pmem("/dev/shm", 0);
    check_kind(pmem);
    CHECK_INT(0, memkind_destroy_kind(pmem));
    return 0;
}
