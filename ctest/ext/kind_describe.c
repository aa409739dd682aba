/* SPDX-License-Identifier: BSD-2-Clause */
/* Each setting of a kind's description, alone and with others; each nonsense gets its code, and the handle stays. */
#include "kind.h"

#define HUGE_PAGE (2 * MIB)

static memkind_t const untouched = (memkind_t)0x1234;

static void refused(int code, struct wanted wanted, int line)
{
    memkind_t kind = untouched;
    int got = create_wanted(&wanted, &kind);

    if (got != code || kind != untouched)
        FAIL("line %d: expected %d, got %d", line, code, got);
}

#define REFUSED(code, ...) refused(code, (struct wanted){__VA_ARGS__}, __LINE__)
#define INVALID(...)       REFUSED(MEMKIND_ERROR_INVALID, __VA_ARGS__)

static void works(struct wanted wanted, int line)
{
    memkind_t kind = NULL;
    int code = create_wanted(&wanted, &kind);
    char *blocks[64];

    if (code != 0)
        FAIL("line %d: expected 0, got %d", line, code);
    for (int i = 0; i < 64; i++) {
        blocks[i] = memkind_malloc(kind, (size_t)i * 500 + 1);
        CHECK_NOT_NULL(blocks[i]);
        CHECK_PTR(kind, memkind_detect_kind(blocks[i]));
        fill(blocks[i], (size_t)i * 500 + 1, (unsigned)i);
    }
    for (int i = 0; i < 64; i++) {
        CHECK(holds(blocks[i], (size_t)i * 500 + 1, (unsigned)i));
        memkind_free(i % 2 ? kind : NULL, blocks[i]);
    }
    CHECK_INT(0, memkind_destroy_kind(kind));
}

#define WORKS(...) works((struct wanted){__VA_ARGS__}, __LINE__)

static void each_option(void)
{
    for (unsigned option = 1; option <= MEMKIND_OPTION_TRANSPARENT_HUGE; option *= 2)
        WORKS(.options = option, .slab_size = 4 * MIB);
    for (unsigned i = 0; i < 256; i++)
        WORKS(.options = i & ~(unsigned)MEMKIND_OPTION_LOCK, .slab_size = 2 * MIB, .alignment = 64);
    INVALID(.options = 256);
    INVALID(.options = ~0u);
}

static void sizes(void)
{
    WORKS(.limit = 16 * MIB);
    WORKS(.limit = 3 * MIB + 1, .slab_size = 2 * MIB);
    WORKS(.limit = SIZE_MAX);
    WORKS(.page_size = 4096);
    WORKS(.page_size = HUGE_PAGE);
    WORKS(.page_size = HUGE_PAGE, .options = MEMKIND_OPTION_PIN, .alignment = HUGE_PAGE);
    WORKS(.alignment = 4096);
    INVALID(.page_size = 1);
    INVALID(.page_size = 4097);
    INVALID(.page_size = 3 * MIB);
    INVALID(.page_size = SIZE_MAX);
    INVALID(.page_size = 4096, .required = true);
    INVALID(.required = true);
    INVALID(.alignment = 3);
    INVALID(.alignment = 8192);
    INVALID(.alignment = SIZE_MAX);
    INVALID(.page_size = HUGE_PAGE, .alignment = 2 * HUGE_PAGE);
    INVALID(.slab_size = 4097);
    INVALID(.page_size = HUGE_PAGE, .slab_size = MIB);
    INVALID(.page_size = HUGE_PAGE, .options = MEMKIND_OPTION_TRANSPARENT_HUGE);
}

static void nodes(void)
{
    if (memkind_create_nodes("all", MEMKIND_NODES_BIND, &(memkind_t){NULL}) != 0)
        return;
    for (unsigned policy = 0; policy < 3; policy++) {
        WORKS(.nodes = "all", .policy = (memkind_nodes_policy_t)policy);
        WORKS(.nodes = "all", .policy = (memkind_nodes_policy_t)policy, .limit = 8 * MIB);
        WORKS(.nodes = "all", .policy = (memkind_nodes_policy_t)policy, .options = MEMKIND_OPTION_PIN);
    }
    INVALID(.nodes = "all", .policy = (memkind_nodes_policy_t)3);
    INVALID(.policy = (memkind_nodes_policy_t)-1);
    INVALID(.nodes = "");
    INVALID(.nodes = "0-");
    REFUSED(MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE, .nodes = "1023");
}

static void others(void)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = untouched, gone = small_kind(MIB);
    char name[65];

    CHECK_INT(0, memkind_destroy_kind(gone));
    INVALID(.fallback = gone);
    INVALID(.fallback = untouched);
    WORKS(.fallback = MEMKIND_DEFAULT);

    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_with_config(NULL, &kind));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_with_config(config, NULL));
    memset(name, 'x', sizeof(name));
    name[64] = 0;
    memkind_config_set_name(config, name);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_with_config(config, &kind));
    name[63] = 0;
    CHECK_INT(0, memkind_create_with_config(config, &kind));
    CHECK_INT(0, memkind_destroy_kind(kind));
    kind = untouched;
    memkind_config_set_memory_usage_policy(config, (memkind_mem_usage_policy)7);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_with_config(config, &kind));
    memkind_config_set_memory_usage_policy(config, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    CHECK_INT(0, memkind_create_with_config(config, &kind));
    CHECK_INT(0, memkind_destroy_kind(kind));
    kind = untouched;
    memkind_config_set_options(config, MEMKIND_OPTION_PIN);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_with_config(config, &kind));
    CHECK_PTR(untouched, kind);

    /* A file. */
    memkind_config_set_options(config, 0);
    memkind_config_set_memory_usage_policy(config, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    memkind_config_set_path(config, test_dir());
    memkind_config_set_size(config, 4096);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_with_config(config, &kind));
    memkind_config_set_size(config, 16 * MIB);
    memkind_config_set_alignment(config, 64);
    CHECK_INT(0, memkind_create_with_config(config, &kind));
    for (size_t size = 1; size < 1000; size++)
        CHECK(aligned(memkind_malloc(kind, size), 64));
    CHECK_INT(0, memkind_destroy_kind(kind));
    kind = untouched;
    memkind_config_set_options(config, MEMKIND_OPTION_PIN);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_with_config(config, &kind));
    memkind_config_set_options(config, 0);
    memkind_config_set_nodes(config, "all", MEMKIND_NODES_BIND);
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_with_config(config, &kind));
    memkind_config_set_nodes(config, NULL, MEMKIND_NODES_BIND);
    memkind_config_set_path(config, "/nowhere/at/all");
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_create_with_config(config, &kind));
    CHECK_PTR(untouched, kind);
    memkind_config_delete(config);

    /* Without settings nothing is set, and nothing happens. */
    memkind_config_set_options(NULL, 1);
    memkind_config_set_nodes(NULL, NULL, MEMKIND_NODES_BIND);
    memkind_config_set_page_size(NULL, 1, true);
    memkind_config_set_alignment(NULL, 1);
    memkind_config_set_slab_size(NULL, 1);
    memkind_config_set_fallback(NULL, NULL);
    memkind_config_set_exhausted(NULL, NULL, NULL);
    memkind_config_set_name(NULL, NULL);
}

int main(void)
{
    each_option();
    sizes();
    nodes();
    others();
    return 0;
}
