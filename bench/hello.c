/* SPDX-License-Identifier: BSD-2-Clause */
/* The smallest program; linked with a library, its start shows what that adds. With -DFIRST_MALLOC it also
 * asks for one block of the default kind. */
#include <stddef.h>

#ifdef FIRST_MALLOC
extern void *MEMKIND_DEFAULT;
void *memkind_malloc(void *kind, size_t size);

int main(void)
{
    return memkind_malloc(MEMKIND_DEFAULT, 64) == NULL;
}
#else
int main(void)
{
    return 0;
}
#endif
