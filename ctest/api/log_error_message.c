/* SPDX-License-Identifier: BSD-2-Clause */
/* memkind_error_message: the text of every code, unknown codes, short buffers; memkind_get_version. */
#include "check.h"

static void check_text(int code, const char *text)
{
    char message[MEMKIND_ERROR_MESSAGE_SIZE], expected[MEMKIND_ERROR_MESSAGE_SIZE];

    snprintf(expected, sizeof(expected), "<memkind> %s", text);
    memset(message, 'x', sizeof(message));
    memkind_error_message(code, message, sizeof(message));
    CHECK_STR(expected, message);
    /* Every length, down to none: cut off, terminated, nothing written behind. */
    for (size_t size = 0; size <= strlen(expected) + 1; size++) {
        memset(message, 'x', sizeof(message));
        memkind_error_message(code, message, size);
        if (size > 0) {
            CHECK_INT(0, strncmp(expected, message, size - 1));
            CHECK_INT('\0', message[size - 1]);
        }
        CHECK_INT('x', message[size]);
    }
    memkind_error_message(code, NULL, 0);
}

int main(void)
{
    static const struct {
        int code;
        const char *text;
    } known[] = {
        {MEMKIND_ERROR_UNAVAILABLE, "Requested memory kind is not available"},
        {MEMKIND_ERROR_MBIND, "Call to mbind() failed"},
        {MEMKIND_ERROR_MMAP, "Call to mmap() failed"},
        {MEMKIND_ERROR_MALLOC, "Call to malloc() failed"},
        {MEMKIND_ERROR_ENVIRON, "Error parsing environment variable (MEMKIND_*)"},
        {MEMKIND_ERROR_INVALID, "Invalid input arguments to memkind routine"},
        {MEMKIND_ERROR_TOOMANY, NULL},
        {MEMKIND_ERROR_BADOPS, "memkind_ops structure is poorly formed (missing or incorrect functions)"},
        {MEMKIND_ERROR_HUGETLB, "unable to allocate huge pages"},
        {MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE, "Requested memory type is not available"},
        {MEMKIND_ERROR_OPERATION_FAILED, "Operation failed"},
        {MEMKIND_ERROR_ARENAS_CREATE, "Call to jemalloc's arenas.create () failed"},
        {MEMKIND_ERROR_RUNTIME, "Unspecified run-time error"},
        {EINVAL, "Alignment must be a power of two and larger than sizeof(void *)"},
        {ENOMEM, "Call to jemk_mallocx() failed"},
    };
    static const int unknown[] = {0, -4, -5, -7, -14, -16, -19, -23, -254, -256, 1, 999, INT32_MAX, INT32_MIN};

    /* Difference: this code means pools too. */
    const char *const too_many = original() ? "Attempted to initialize more than maximum (512) number of kinds"
                                             : "Attempted to initialize more than maximum (512) number of kinds, or of pools (1024)";

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        check_text(known[i].code, known[i].text ? known[i].text : too_many);
    }
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        char text[64];

        snprintf(text, sizeof(text), "Undefined error number: %i", unknown[i]);
        check_text(unknown[i], text);
    }
    if (original()) {
        CHECK_INT(1014000, memkind_get_version());
    } else {
        CHECK_INT(1015000, memkind_get_version());
    }
    return 0;
}
