/* SPDX-License-Identifier: BSD-2-Clause */
/* Another file of a program that includes SPDK's names: it has the same maps and regions. */
#include "spdk/env.h"

int register_elsewhere(void *address, size_t size);
int unregister_elsewhere(void *address, size_t size);

int register_elsewhere(void *address, size_t size)
{
    return spdk_mem_register(address, size);
}

int unregister_elsewhere(void *address, size_t size)
{
    return spdk_mem_unregister(address, size);
}
