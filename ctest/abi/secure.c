/* SPDX-License-Identifier: BSD-2-Clause */
/* What a set-user-ID program makes of the library's variables: prints whether it is one, and uses kinds. */
#include <memkind.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>

int main(void)
{
    void *block = memkind_malloc(MEMKIND_REGULAR, 1000);
    size_t capacity = 0;

    printf("%s, MEMKIND_HBW %d\n", getauxval(AT_SECURE) ? "secure" : "not secure",
           memkind_check_available(MEMKIND_HBW));
    memkind_free(NULL, block);
    memkind_update_cached_stats();
    return block == NULL || memkind_get_stat(NULL, MEMKIND_STAT_TYPE_ACTIVE, &capacity) != 0;
}
