/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_create_nodes: a kind on the nodes that the program names is like any other, its memory has the
 * policy that was asked for, and what cannot be had is an error that says which part is wrong. */
#include "nodes.h"
#include "output.h"

/* The policy of a page and its nodes. */
static int policy_of(void *page, unsigned long *mask)
{
    int mode = -1;

    /* MPOL_F_ADDR */
    CHECK_INT(0, syscall(SYS_get_mempolicy, &mode, mask, 1024, page, 2));
    return mode;
}

static long long memory_of_node(unsigned node)
{
    char path[80], line[128];
    long long kib = -1;

    snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/meminfo", node);
    FILE *file = fopen(path, "r");
    CHECK_NOT_NULL(file);
    while (kib < 0 && fgets(line, sizeof(line), file) != NULL) {
        (void)sscanf(line, "Node %*u MemTotal: %lld kB", &kib);
    }
    fclose(file);
    return kib * 1024;
}

static void check_kind(unsigned node, int policy, const char *policy_name)
{
    /* MPOL_BIND, MPOL_PREFERRED, MPOL_INTERLEAVE */
    static const int modes[] = {2, 1, 3};
    char list[16], name[64];
    memkind_t kind = NULL, twin = NULL;

    check_context = policy_name;
    snprintf(list, sizeof(list), "%u", node);
    snprintf(name, sizeof(name), "nodes%u:%s", node, policy_name);
    CHECK_INT(0, create_nodes(list, policy, &kind));
    CHECK_INT(0, create_nodes(list, policy, &twin));
    CHECK(kind != twin);
    CHECK_STR(name, (const char *)kind + 12);
    CHECK_INT(0, memkind_check_available(kind));
    CHECK_INT(policy == PREFERRED ? -1 : memory_of_node(node), memkind_get_capacity(kind));
    errno = 0;
    CHECK_NULL(memkind_malloc(kind, 0));
    CHECK_INT(0, errno);
    for (size_t size = 1; size <= 32 * MIB; size = size * 7 + 3) {
        unsigned long mask[1024 / (8 * sizeof(unsigned long))] = {0};
        char *block = memkind_malloc(kind, size);

        CHECK_NOT_NULL(block);
        fill(block, size, (unsigned)size);
        CHECK_PTR(kind, memkind_detect_kind(block));
        CHECK(memkind_malloc_usable_size(NULL, block) >= size);
        CHECK_INT(modes[policy], policy_of(block, mask));
        CHECK_INT(1, mask[node / (8 * sizeof(long))] >> node % (8 * sizeof(long)) & 1);
        void *page = (void *)((uintptr_t)block & ~(uintptr_t)4095);
        int status = -1;
        CHECK_INT(0, syscall(SYS_move_pages, 0, 1UL, &page, NULL, &status, 0));
        if (policy != PREFERRED) {
            CHECK_INT(node, status);
        }
        block = memkind_realloc(NULL, block, 2 * size);
        CHECK_NOT_NULL(block);
        CHECK(holds(block, size, (unsigned)size));
        CHECK_PTR(kind, memkind_detect_kind(block));
        char *other = memkind_realloc(twin, block, size);
        CHECK_NOT_NULL(other);
        CHECK(holds(other, size, (unsigned)size));
        CHECK_PTR(twin, memkind_detect_kind(other));
        memkind_free(NULL, other);
        char *zeroed = memkind_calloc(kind, size, 1);
        CHECK_NOT_NULL(zeroed);
        CHECK(all_zero(zeroed, size));
        memkind_free(kind, zeroed);
    }
    CHECK_INT(0, memkind_destroy_kind(twin));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_check_available(twin));
    CHECK_INT(0, memkind_check_available(kind));
    CHECK_INT(0, memkind_destroy_kind(kind));
    check_context = NULL;
}

/* Every reason to refuse; the handle stays as it was. */
static void check_refused(int code, const char *nodes, int policy)
{
    memkind_t kind = MEMKIND_REGULAR;

    check_context = nodes;
    CHECK_INT(code, create_nodes(nodes, policy, &kind));
    CHECK_PTR(MEMKIND_REGULAR, kind);
    check_context = NULL;
}

static void check_message(const char *nodes, const char *reason)
{
    char text[256];

    snprintf(text, sizeof(text), "MEMKIND_ERROR: Cannot create kind: nodes \"%s\": %s.\n", nodes, reason);
    CHECK_OUTPUT(0, text, nodes, ENV("MEMKIND_DEBUG=1"));
}

int main(int argc, char **argv)
{
    need_create_nodes();
    if (argc > 1) {
        memkind_t kind;
        CHECK(create_nodes(argv[1], BIND, &kind) != 0);
        return 0;
    }
    const unsigned node = first_node();
    check_kind(node, BIND, "bind");
    check_kind(node, PREFERRED, "preferred");
    check_kind(node, INTERLEAVE, "interleave");

    memkind_t kind = NULL;
    CHECK_INT(0, create_nodes("all", BIND, &kind));
    CHECK_NOT_NULL(memkind_malloc(kind, 100));
    CHECK_INT(0, memkind_destroy_kind(kind));
    CHECK_INT(0, create_nodes("+0", BIND, &kind));
    CHECK_INT(0, memkind_destroy_kind(kind));

    CHECK_INT(MEMKIND_ERROR_INVALID, create_nodes("all", BIND, NULL));
    check_refused(MEMKIND_ERROR_INVALID, NULL, BIND);
    check_refused(MEMKIND_ERROR_INVALID, "all", 3);
    check_refused(MEMKIND_ERROR_INVALID, "all", -1);
    check_refused(MEMKIND_ERROR_INVALID, "", BIND);
    check_refused(MEMKIND_ERROR_INVALID, "!all", BIND);
    check_refused(MEMKIND_ERROR_INVALID, "zero", BIND);
    check_refused(MEMKIND_ERROR_INVALID, "all,0", BIND);
    check_refused(MEMKIND_ERROR_INVALID, "+0;", BIND);
    check_refused(MEMKIND_ERROR_INVALID, "+0-", BIND);
    check_refused(MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE, "1023", BIND);
    check_refused(MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE, "+0,1023", INTERLEAVE);
    check_refused(MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE, "-1", PREFERRED);

    check_message("x", "unparseable node description `x'");
    check_message("+0,zero", "unparseable node description `zero'");
    check_message("+0;", "something follows a complete list");
    check_message("+0-", "missing node argument ");
    check_message("!all", "it means no node");
    check_message("1023", "there is no node 1023");
    check_message("-1", "node argument -1 is out of range");
    return 0;
}
