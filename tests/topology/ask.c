/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asks the original library, on the machine of machine.c, what it does with each kind:
 * a line "kind NAME CODE CPU:MASK ..." with masks in hexadecimal, on standard error so
 * that it stands in order with the library's own messages. Exit status 77 when the
 * library is not memkind 1.14.0.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <memkind.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define KIND(name) {#name, &MEMKIND_##name}

int main(void)
{
    static const struct {
        const char *name;
        memkind_t *kind;
    } kinds[] = {
        KIND(REGULAR), KIND(HBW), KIND(HBW_ALL), KIND(HBW_PREFERRED),
        KIND(DAX_KMEM), KIND(DAX_KMEM_ALL), KIND(DAX_KMEM_PREFERRED),
        KIND(HIGHEST_CAPACITY), KIND(HIGHEST_CAPACITY_PREFERRED),
        KIND(HIGHEST_CAPACITY_LOCAL), KIND(LOWEST_LATENCY_LOCAL), KIND(HIGHEST_BANDWIDTH_LOCAL),
    };
    unsigned long cpus = strtoul(getenv("FAKE_CPUS"), NULL, 16);
    int *cpu = dlsym(RTLD_DEFAULT, "fake_cpu");
    int *n_calls = dlsym(RTLD_DEFAULT, "fake_n_calls");
    unsigned long *mask = dlsym(RTLD_DEFAULT, "fake_mask");
    if (memkind_get_version() != 1014000 || !cpu || !n_calls || !mask)
        return 77;
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        *cpu = 0;
        int code = memkind_check_available(*kinds[i].kind);
        fprintf(stderr, "kind %s %d", kinds[i].name, code);
        for (*cpu = 0; code == 0 && *cpu < 64; ++*cpu)
            if (cpus >> *cpu & 1) {
                char text[64];
                *mask = 0;
                /* Until the heap needs a new mapping. */
                for (int before = *n_calls, tries = 0; *n_calls == before && tries < 9; tries++)
                    (void)!memkind_malloc(*kinds[i].kind, 9 << 20);
                snprintf(text, sizeof text, " %d:%lx", *cpu, *mask);
                fputs(text, stderr);
            }
        fputs("\n", stderr);
    }
    _exit(0);
}
