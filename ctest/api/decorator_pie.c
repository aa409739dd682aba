/* SPDX-License-Identifier: BSD-2-Clause */
/* Decorators that the program defines are called, with nothing but the library on the link line: the
 * linker exports them because the library refers to them.
 * link: -fPIE -pie */
#include "decorator.h"
#include "lib/hooks.c"

int main(void)
{
    skip_without_decorators();
    if (dlsym(RTLD_DEFAULT, "memkind_malloc_pre") == NULL) {
        SKIP("linked against a library without decorators, which exports none from the program");
    }
    check_hooks(&decorator_hooks);
    return 0;
}
