/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls back in its destructor. Named on the link line behind the library under test, which therefore
 * has been finalised by then. */
void (*last_action)(void);

__attribute__((destructor)) static void call_back(void)
{
    if (last_action != 0) {
        last_action();
    }
}
