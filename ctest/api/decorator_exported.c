/* SPDX-License-Identifier: BSD-2-Clause */
/* decorator_pie in a program that exports all that it defines, whatever it was linked against.
 * link: -rdynamic */
#include "decorator_pie.c"
