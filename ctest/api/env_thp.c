/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMKIND_THP: extents of 2 MiB and more ask the kernel for transparent huge pages, for none, or for
 * nothing. MEMKIND_INTERLEAVE never has any, nor do kinds on nodes where such a page is larger than 2 MiB: the first touch
 * would take more than is known to be there. A value that is none of the three has no effect. */
#include "machine.h"

/* The flags of the mapping of an address: VmFlags of proc_pid_smaps(5). */
static void flags_of(const void *address, char *flags, size_t size)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    unsigned long start, end;
    bool inside = false;
    char line[1024];

    CHECK_NOT_NULL(file);
    flags[0] = '\0';
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
            inside = (uintptr_t)address >= start && (uintptr_t)address < end;
        } else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            snprintf(flags, size, "%s", line + 8);
        }
    }
    fclose(file);
}

/* `asked` and `refused`: whether the mapping of a block has each advice. */
static void check_kind(memkind_t kind, size_t size, bool asked, bool refused)
{
    char *block = memkind_malloc(kind, size);
    char flags[512];

    CHECK_NOT_NULL(block);
    block[size / 2] = 1;
    flags_of(block + size / 2, flags, sizeof(flags));
    if ((strstr(flags, " hg") != NULL) != asked || (strstr(flags, " nh") != NULL) != refused) {
        FAIL("%zu bytes: the flags are%s", size, flags);
    }
    memkind_free(kind, block);
}

int main(int argc, char **argv)
{
    static const char *const values[] = {"system", "always", "never", "sometimes", ""};

    if (argc == 1) {
        char setting[64], flags[512];

        flags_of(values, flags, sizeof(flags));
        if (access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0 || flags[0] == '\0') {
            SKIP("this kernel has no transparent huge pages, or does not show them");
        }
        for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
            snprintf(setting, sizeof(setting), "MEMKIND_THP=%s", values[i]);
            CHECK_CHILD(run_again(values[i], ENV(setting)));
        }
        return 0;
    }
    const bool large = atol(first_line("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size")) > (long)(2 * MIB);
    const bool always = strcmp(argv[1], "always") == 0, never = strcmp(argv[1], "never") == 0;
    check_context = argv[1];
    check_kind(MEMKIND_DEFAULT, 16 * MIB, always, never);
    check_kind(MEMKIND_REGULAR, 16 * MIB, always && !large, never || large);
    check_kind(MEMKIND_INTERLEAVE, 16 * MIB, false, true);
    return 0;
}
