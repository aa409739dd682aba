/* SPDX-License-Identifier: BSD-2-Clause */
/* JEMK_MALLOC_CONF has settings for the jemalloc inside, as in the original; they cannot take away what
 * the library needs. Other programs' variables, MALLOC_CONF and _RJEM_MALLOC_CONF, are not ours. */
#include "output.h"

#define BAD "no_such_setting:1,prof:true"

int main(int argc, char *argv[])
{
    (void)argv;
    if (argc > 1) {
        void *block = memkind_malloc(MEMKIND_DEFAULT, 100);
        CHECK_NOT_NULL(block);
        memkind_free(MEMKIND_DEFAULT, block);
        memkind_t kind;
        CHECK_INT(0, memkind_create_pmem(test_dir(), 32 * MIB, &kind));
        block = memkind_malloc(kind, MIB);
        CHECK_NOT_NULL(block);
        CHECK_INT(0, memkind_destroy_kind(kind));
        return 0;
    }
    CHECK_OUTPUT(0, "", "use", ENV("_RJEM_MALLOC_CONF=" BAD, "MALLOC_CONF=" BAD));
    CHECK_OUTPUT(0, "", "use", ENV("JEMK_MALLOC_CONF="));
    CHECK_OUTPUT(0, "", "use", ENV("JEMK_MALLOC_CONF=dirty_decay_ms:0"));
    const struct output *output = output_of("use", ENV("JEMK_MALLOC_CONF=no_such_setting:1"));
    CHECK_INT(0, output->status);
    CHECK(strstr(output->text, "no_such_setting:1") != NULL);
    if (!original()) {
        CHECK_OUTPUT(0, "", "use", ENV("JEMK_MALLOC_CONF=narenas:4094,tcache:true"));
    }
    return 0;
}
