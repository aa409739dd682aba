/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings of kinds by description: any of them gives a documented code or a kind that works. */
#include "fuzz.h"

/* A list of nodes from a few characters. */
static const char *some_nodes(struct input *input)
{
    static const char characters[] = "0123,-!+allx ;\xff";
    static char text[16];
    const unsigned length = byte_of(input) % sizeof(text);

    for (unsigned i = 0; i < length; i++) {
        text[i] = characters[byte_of(input) % (sizeof(characters) - 1)];
    }
    text[length] = '\0';
    return text;
}

static void use(memkind_t kind)
{
    char *blocks[20];

    for (size_t i = 0; i < 20; i++) {
        blocks[i] = memkind_malloc(kind, i * i * 100 + 1);
        if (blocks[i] != NULL) {
            fill(blocks[i], i * i * 100 + 1, (unsigned)i);
        } else {
            CHECK_INT(ENOMEM, errno);
        }
    }
    for (size_t i = 0; i < 20; i++) {
        CHECK(blocks[i] == NULL || holds(blocks[i], i * i * 100 + 1, (unsigned)i));
        memkind_free(NULL, blocks[i]);
    }
}

static int never(void *context, memkind_t kind, size_t size)
{
    (void)context;
    (void)kind;
    CHECK(size > 0);
    return 0;
}

void fuzz_settings(struct input *input)
{
    for (unsigned round = 0; round < 6 && input->left > 0; round++) {
        unsigned options = 0;
        struct memkind_config *config = memkind_config_new();
        const memkind_t untouched = (memkind_t)0x10;
        memkind_t kind = untouched;
        const unsigned set = byte_of(input);
        char name[80];

        CHECK_NOT_NULL(config);
        if (set & 1) {
            options = byte_of(input) | (byte_of(input) % 16 == 15 ? 256u : 0);
            memkind_config_set_options(config, options);
        }
        if (set & 2) {
            memkind_config_set_size(config, number_of(input));
        }
        if (set & 4) {
            memkind_config_set_page_size(config, number_of(input), byte_of(input) & 1);
        }
        if (set & 8) {
            memkind_config_set_alignment(config, number_of(input));
        }
        if (set & 16) {
            const size_t size = number_of(input);
            const unsigned filled = MEMKIND_OPTION_POPULATE | MEMKIND_OPTION_LOCK | MEMKIND_OPTION_PIN;

            /* Not all memory of the machine. */
            memkind_config_set_slab_size(config, (options & filled) != 0 ? size % (64 * MIB) : size);
        }
        if (set & 32) {
            memkind_config_set_nodes(config, some_nodes(input), (memkind_nodes_policy_t)(byte_of(input) % 5));
        }
        if (set & 64) {
            const unsigned length = byte_of(input) % sizeof(name);
            memset(name, 'a' + (int)(set % 26), length);
            name[length == sizeof(name) ? length - 1 : length] = '\0';
            memkind_config_set_name(config, name);
            memkind_config_set_exhausted(config, never, config);
        }
        if (set & 128) {
            const unsigned which = byte_of(input);
            memkind_config_set_path(config, which % 2 ? test_dir() : "/nowhere");
            memkind_config_set_memory_usage_policy(config, (memkind_mem_usage_policy)(which / 2 % 4));
        }
        const int code = memkind_create_with_config(config, &kind);
        memkind_config_delete(config);
        if (code != 0) {
            CHECK(code == MEMKIND_ERROR_INVALID || code == MEMKIND_ERROR_HUGETLB || code == MEMKIND_ERROR_MALLOC ||
                  code == MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE || code == MEMKIND_ERROR_UNAVAILABLE);
            CHECK_PTR(untouched, kind);
            continue;
        }
        /* Populated memory is not to be had without end. */
        use(kind);
        CHECK_INT(0, memkind_destroy_kind(kind));
    }
}
