/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs targets (fuzz.h) on inputs: files that are named, standard input (for AFL++: "afl-fuzz ... -- fuzz TARGET"),
 * or numbers that look like chance. With -DFUZZ_TARGET=NAME it is a program of libFuzzer's.
 *
 * usage: fuzz TARGET [FILE...]          TARGET: operations, settings, environment
 *        fuzz TARGET -r SECONDS SEED    random inputs, changed from those of ctest/fuzz/corpus/TARGET among them
 *        fuzz use                       what the target environment runs
 * An input that fails with -r is left in the current directory. Exit status: 0 passed, 1 failed. */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <time.h>

#ifdef FUZZ_TARGET
int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t size)
{
    struct input input = {bytes, size};

    FUZZ_TARGET(&input);
    return 0;
}
#else

enum { MOST = 4096 };

static const struct {
    const char *name;
    void (*run)(struct input *input);
} targets[] = {
    {"operations", fuzz_operations},
    {"settings", fuzz_settings},
    {"environment", fuzz_environment},
};

static size_t read_all(int file, unsigned char *bytes)
{
    size_t length = 0;

    for (ssize_t more; length < MOST && (more = read(file, bytes + length, MOST - length)) > 0;) {
        length += (size_t)more;
    }
    return length;
}

static void run_file(void (*run)(struct input *), int file)
{
    static unsigned char bytes[MOST];
    struct input input = {bytes, read_all(file, bytes)};

    run(&input);
}

static uint64_t state;

static unsigned chance(unsigned below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 20) % below;
}

/* An input: one of the corpus, changed here and there, or bytes that look like chance. */
static size_t make_input(unsigned char *bytes, unsigned char seeds[][MOST], const size_t *lengths, unsigned n_seeds)
{
    size_t length = 0;

    if (n_seeds > 0 && chance(4) > 0) {
        const unsigned one = chance(n_seeds), other = chance(n_seeds);
        length = lengths[one];
        memcpy(bytes, seeds[one], length);
        if (chance(3) == 0 && length > 0) {
            const size_t at = chance((unsigned)length), more = lengths[other] < MOST - at ? lengths[other] : MOST - at;
            memcpy(bytes + at, seeds[other], more);
            length = at + more;
        }
        for (unsigned i = chance(8); i > 0 && length > 0; i--) {
            bytes[chance((unsigned)length)] = (unsigned char)chance(256);
        }
        if (chance(4) == 0 && length > 0) {
            length = chance((unsigned)length) + 1;
        }
        return length;
    }
    length = chance(chance(4) == 0 ? MOST : 200);
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (unsigned char)chance(256);
    }
    return length;
}

static unsigned read_seeds(const char *target, unsigned char seeds[][MOST], size_t *lengths, unsigned most)
{
    char path[512];
    unsigned n = 0;

    snprintf(path, sizeof(path), "ctest/fuzz/corpus/%s", target);
    DIR *opened = opendir(path);
    for (struct dirent *entry; opened != NULL && n < most && (entry = readdir(opened)) != NULL;) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof(path), "ctest/fuzz/corpus/%s/%s", target, entry->d_name);
        const int file = open(path, O_RDONLY | O_CLOEXEC);
        CHECK(file >= 0);
        lengths[n] = read_all(file, seeds[n]);
        close(file);
        n++;
    }
    if (opened != NULL) {
        closedir(opened);
    }
    return n;
}

/* Each batch of inputs in a process of its own: a failure ends it, and the last input is known. */
static int run_random(const char *target, void (*run)(struct input *), double seconds)
{
    static unsigned char seeds[64][MOST];
    static size_t lengths[64];
    struct shared {
        size_t length;
        unsigned long n;
        uint64_t state;
        unsigned char bytes[MOST];
    } *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const unsigned n_seeds = read_seeds(target, seeds, lengths, 64);
    const time_t end = time(NULL) + (time_t)seconds;

    CHECK(shared != MAP_FAILED);
    shared->state = state;
    while (time(NULL) < end) {
        fflush(NULL);
        const pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            state = shared->state;
            for (int i = 0; i < 200 && time(NULL) < end; i++) {
                shared->length = make_input(shared->bytes, seeds, lengths, n_seeds);
                shared->state = state;
                struct input input = {shared->bytes, shared->length};
                alarm(60);
                run(&input);
                shared->n++;
            }
            _exit(0);
        }
        const int status = child_wait(pid);
        if (status != 0) {
            char name[64];

            snprintf(name, sizeof(name), "found-%s-%lu", target, shared->n);
            const int file = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
            CHECK_INT(shared->length, write(file, shared->bytes, shared->length));
            close(file);
            printf("input %lu fails with status %d: %s\n", shared->n, status, name);
            return 1;
        }
    }
    printf("%lu inputs\n", shared->n);
    return shared->n == 0;
}

int main(int argc, char **argv)
{
    void (*run)(struct input *) = NULL;

    if (argc == 2 && strcmp(argv[1], "use") == 0) {
        use_some_kinds();
        return 0;
    }
    for (size_t i = 0; argc >= 2 && i < sizeof(targets) / sizeof(targets[0]); i++) {
        run = strcmp(targets[i].name, argv[1]) == 0 ? targets[i].run : run;
    }
    if (run == NULL) {
        fprintf(stderr, "usage: fuzz TARGET [FILE... | -r SECONDS SEED]\n");
        return 2;
    }
    if (argc == 5 && strcmp(argv[2], "-r") == 0) {
        state = strtoull(argv[4], NULL, 10) * 0x9e3779b97f4a7c15u | 1;
        return run_random(argv[1], run, atof(argv[3]));
    }
    for (int i = 2; i < argc; i++) {
        const int file = open(argv[i], O_RDONLY | O_CLOEXEC);
        check_context = argv[i];
        CHECK(file >= 0);
        run_file(run, file);
        close(file);
    }
    if (argc == 2) {
        run_file(run, 0);
    }
    return 0;
}
#endif
