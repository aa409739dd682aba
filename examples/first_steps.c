/* SPDX-License-Identifier: BSD-2-Clause */
/* The first steps: memory of a chosen kind, what to do when there is none, and who owns a pointer.
 *
 *     gcc -o first_steps first_steps.c $(pkg-config --cflags --libs memkind)
 */
#include <memkind.h>
#include <stdio.h>
#include <string.h>

/* Prints the file of the library that this process really uses. */
static void print_library(void)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");

    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        const char *path = strchr(line, '/');
        if (path != NULL && strstr(path, "/libmemkind.so") != NULL) {
            printf("loaded from  %s", path);
            break;
        }
    }
    if (maps != NULL) {
        fclose(maps);
    }
}

int main(void)
{
    const int version = memkind_get_version();
    printf("memkind      %d.%d.%d\n", version / 1000000, version / 1000 % 1000, version % 1000);
    print_library();

    /* Ordinary memory, on the nodes that have processors. */
    char *ordinary = memkind_malloc(MEMKIND_REGULAR, 1000);

    /* High-bandwidth memory, if this machine has any: ask first, take ordinary memory otherwise. */
    const int has_hbw = memkind_check_available(MEMKIND_HBW) == 0;
    char *fast = memkind_malloc(has_hbw ? MEMKIND_HBW : MEMKIND_REGULAR, 1 << 20);

    /* A file-backed kind of 16 MiB: its memory is a temporary file, here in /tmp. */
    memkind_t file_kind = NULL;
    const int error = memkind_create_pmem("/tmp", MEMKIND_PMEM_MIN_SIZE, &file_kind);
    if (error != 0) {
        char message[MEMKIND_ERROR_MESSAGE_SIZE];
        memkind_error_message(error, message, sizeof(message));
        fprintf(stderr, "no file-backed kind in /tmp: %s\n", message);
        return 1;
    }
    char *in_file = memkind_malloc(file_kind, 1 << 20);
    if (ordinary == NULL || fast == NULL || in_file == NULL) {
        perror("memkind_malloc");
        return 1;
    }
    strcpy(ordinary, "ordinary memory");
    strcpy(fast, has_hbw ? "high-bandwidth memory" : "ordinary memory, for want of high-bandwidth memory");
    strcpy(in_file, "memory in a file");
    printf("1000 bytes of %s, 1 MiB of %s, 1 MiB of %s\n", ordinary, fast, in_file);

    /* Each pointer knows its kind, so NULL will do when the kind is not at hand. */
    printf("in_file %s the file-backed kind\n",
           memkind_detect_kind(in_file) == file_kind ? "belongs to" : "does not belong to");
    memkind_free(NULL, in_file);
    memkind_free(NULL, fast);
    memkind_free(MEMKIND_REGULAR, ordinary);
    return memkind_destroy_kind(file_kind);
}
