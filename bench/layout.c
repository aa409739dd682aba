/* SPDX-License-Identifier: BSD-2-Clause */
/* Linked first: moves the code of a worker by LAYOUT steps. Some processors tell instructions apart by a few bits of
 * their addresses when they predict which load meets which store; where two of the program's and the library's are
 * the same, an operation takes twice the time. */
#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)

__asm__(".text\n"
        ".skip 16 + 1040 * " TEXT(LAYOUT) "\n");
