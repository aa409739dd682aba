/* SPDX-License-Identifier: BSD-2-Clause */
/* The head of struct memkind that compiled programs and debuggers read: name at 12, partition at 8, a
 * table of operations at 0 whose slot at 120 is set. */
#include "check.h"

int main(void)
{
    for (unsigned i = 0; i < N_STATIC_KINDS; i++) {
        const char *kind = (const char *)*static_kinds[i].kind;
        uint32_t partition;
        void *const *ops;
        void *variable;
        memkind_t found = NULL;

        check_context = static_kinds[i].name;
        CHECK_NOT_NULL(kind);
        CHECK_STR(static_kinds[i].name, kind + 12);
        memcpy(&partition, kind + 8, sizeof(partition));
        CHECK_INT(i, partition);
        memcpy(&ops, kind, sizeof(ops));
        CHECK_NOT_NULL(ops);
        CHECK_NOT_NULL(ops[120 / sizeof(void *)]);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
        CHECK_INT(0, memkind_get_kind_by_partition((int)i, &found));
#pragma GCC diagnostic pop
        CHECK_PTR(kind, found);

        /* The executable's copy of the variable is the one that the library uses. */
        char symbol[64] = "";
        for (size_t j = 0; check_context[j] != '\0'; j++) {
            symbol[j] = check_context[j] == '_' ? '_' : (char)(check_context[j] - 'a' + 'A');
        }
        variable = dlsym(RTLD_DEFAULT, symbol);
        CHECK_PTR(static_kinds[i].kind, variable);
        for (unsigned j = 0; j < i; j++) {
            CHECK(*static_kinds[i].kind != *static_kinds[j].kind);
        }
    }
    return 0;
}
