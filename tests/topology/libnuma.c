/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What libnuma's numa_parse_nodestring makes of each line of standard input: a line
 * "NODES|WARNING", where NODES is "-" for an error.
 */
#include <numa.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char warning[1024];

/* libnuma calls the program's own function, where there is one. */
void numa_warn(int number, char *format, ...)
{
    va_list list;
    (void)number;
    va_start(list, format);
    vsnprintf(warning, sizeof warning, format, list);
    va_end(list);
    warning[strcspn(warning, "\n")] = 0;
}

int main(void)
{
    char line[1024];
    if (numa_available() < 0)
        return 77;
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        warning[0] = 0;
        struct bitmask *mask = numa_parse_nodestring(line);
        if (!mask)
            fputs("-", stdout);
        const char *separator = "";
        for (unsigned i = 0; mask && i < mask->size; i++)
            if (numa_bitmask_isbitset(mask, i)) {
                printf("%s%u", separator, i);
                separator = " ";
            }
        printf("|%s\n", warning);
        if (mask)
            numa_bitmask_free(mask);
    }
    return 0;
}
