/* SPDX-License-Identifier: BSD-2-Clause */
/* What happens when a kind has no memory: its fallback serves, and that one's; then the program is asked, once for each
 * request, and may make room. */
#include "kind.h"

#include <pthread.h>

#define LIMIT (4 * MIB)

static memkind_t chained[3];
static void *hoard[64];
static int n_hoard, n_asked, answer;
static bool allocates_inside, ends_thread;

static int make_room(void *context, memkind_t kind, size_t size)
{
    CHECK_PTR(&n_asked, context);
    CHECK_PTR(chained[0], kind);
    CHECK_INT(MIB, size);
    n_asked++;
    if (allocates_inside) {
        CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(kind, LIMIT));
        memkind_free(NULL, memkind_malloc(MEMKIND_DEFAULT, 100));
    }
    if (ends_thread)
        pthread_exit(NULL);
    if (answer && n_hoard)
        memkind_free(NULL, hoard[--n_hoard]);
    return answer;
}

static int count_until_refused(void)
{
    int n = 0;

    while (n_hoard < 64) {
        void *block = memkind_malloc(chained[0], MIB);
        if (!block) {
            CHECK_INT(ENOMEM, errno);
            break;
        }
        hoard[n_hoard++] = block;
        n++;
    }
    return n;
}

static void *be_refused(void *unused)
{
    memkind_free(NULL, memkind_malloc(chained[0], MIB));
    return unused;
}

static void in_a_thread(void)
{
    pthread_t thread;

    CHECK_INT(0, pthread_create(&thread, NULL, be_refused, NULL));
    CHECK_INT(0, pthread_join(thread, NULL));
}

int main(void)
{
    struct wanted wanted = {.limit = LIMIT, .options = MEMKIND_OPTION_PIN};
    int n, of[3] = {0};
    void *block;

    chained[2] = make_wanted(wanted);
    wanted.fallback = chained[2];
    chained[1] = make_wanted(wanted);
    wanted.fallback = chained[1];
    wanted.exhausted = make_room;
    wanted.context = &n_asked;
    chained[0] = make_wanted(wanted);

    n = count_until_refused();
    CHECK(n >= 6);
    CHECK_INT(1, n_asked);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < 3; j++)
            of[j] += memkind_detect_kind(hoard[i]) == chained[j];
    CHECK(of[0] >= 2 && of[1] >= 2 && of[2] >= 2);
    CHECK_INT(n, of[0] + of[1] + of[2]);
    CHECK(usage_of(chained[0]).n_refused >= (size_t)(n - of[0]));

    /* calloc, posix_memalign and realloc are refused, too. */
    CHECK_ALLOC_FAILS(ENOMEM, memkind_calloc(chained[0], 2, MIB / 2));
    CHECK_INT(ENOMEM, memkind_posix_memalign(chained[0], &block, 64, MIB));
    CHECK_ALLOC_FAILS(ENOMEM, memkind_realloc(chained[0], NULL, MIB));
    CHECK_INT(4, n_asked);

    /* Once for a request, also if that makes no room; and not within itself. */
    allocates_inside = true;
    CHECK_ALLOC_FAILS(ENOMEM, memkind_malloc(chained[0], MIB));
    CHECK_INT(5, n_asked);
    answer = 1;
    block = memkind_malloc(chained[0], MIB);
    CHECK_NOT_NULL(block);
    CHECK_INT(6, n_asked);
    hoard[n_hoard++] = block;

    /* A function that ends its thread is called for the next one, which may have its record. */
    answer = 0;
    ends_thread = true;
    in_a_thread();
    in_a_thread();
    CHECK_INT(8, n_asked);
    ends_thread = false;

    /* A fallback stays as long as it is one. */
    CHECK_INT(MEMKIND_ERROR_OPERATION_FAILED, memkind_destroy_kind(chained[2]));
    CHECK_INT(MEMKIND_ERROR_OPERATION_FAILED, memkind_destroy_kind(chained[1]));
    while (n_hoard)
        memkind_free(NULL, hoard[--n_hoard]);
    for (int i = 0; i < 3; i++)
        CHECK_INT(0, memkind_destroy_kind(chained[i]));
    return 0;
}
