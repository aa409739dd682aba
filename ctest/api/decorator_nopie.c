/* SPDX-License-Identifier: BSD-2-Clause */
/* The same in a program at a fixed address. Item 86.
 * link: -fno-pie -no-pie */
#include "decorator_pie.c"
