/* SPDX-License-Identifier: BSD-2-Clause */
/* decorator_pie in a program at a fixed address.
 * link: -fno-pie -no-pie */
#include "decorator_pie.c"
