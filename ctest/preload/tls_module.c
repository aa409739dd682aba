/* SPDX-License-Identifier: BSD-2-Clause */
/* One of many modules with thread-local storage that tls_many.c opens late. */
#ifndef SIZE
#define SIZE 256
#endif
static __thread char block[SIZE] = {1};
int touch(void);
int touch(void)
{
    return block[0]++;
}
