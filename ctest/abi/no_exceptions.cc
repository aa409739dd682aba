// SPDX-License-Identifier: BSD-2-Clause
// A program that is compiled without exceptions: containers with the four allocators and what memkind_ext.hpp has work; a
// failure is a line on standard error and SIGABRT. C++98 has hbw::allocator only.
#include <hbw_allocator.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#if __cplusplus >= 201103L
#include <fixed_allocator.h>
#include <memkind_allocator.h>
#include <memkind_ext.hpp>
#include <pmem_allocator.h>
#endif

#if defined(__cpp_exceptions) || defined(__EXCEPTIONS)
#error "compile this with -fno-exceptions"
#endif

static int failures;

// What a child says that does `what`, with how it ends.
static void check_ends(const char *name, void (*what)())
{
    char said[1000];
    ssize_t length;
    int ends[2], status = 0;

    if (pipe(ends) != 0) {
        std::abort();
    }
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        what();
        _exit(0);
    }
    close(ends[1]);
    length = read(ends[0], said, sizeof(said) - 1);
    said[length < 0 ? 0 : length] = '\0';
    close(ends[0]);
    waitpid(child, &status, 0);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || std::strncmp(said, "libmemkind: ", 12) != 0) {
        std::fprintf(stderr, "%s: status %d, said \"%s\"\n", name, status, said);
        failures++;
    }
}

template <class Allocator>
static void check_container(const Allocator &allocator)
{
    std::vector<int, Allocator> numbers(allocator);
    for (int i = 0; i < 10000; i++) {
        numbers.push_back(i);
    }
    if (numbers[9999] != 9999) {
        std::fprintf(stderr, "a vector has another value\n");
        failures++;
    }
}

static void hbw_too_much()
{
    hbw::allocator<int>().allocate(0);
}

#if __cplusplus >= 201103L
static char area[32 << 20];
static const char *dir;

static void no_kind()
{
    libmemkind::static_kind::allocator<int> allocator(static_cast<libmemkind::kinds>(1000));
}

static void static_too_much()
{
    libmemkind::static_kind::allocator<int>(libmemkind::kinds::REGULAR).allocate(static_cast<std::size_t>(-1) / 8);
}

static void no_dir()
{
    libmemkind::pmem::allocator<int> allocator("/nowhere/at/all", 0);
}

static void pmem_too_much()
{
    libmemkind::pmem::allocator<int>(dir, 32 << 20).allocate(32 << 20);
}

static void no_area()
{
    // A kind lives there already.
    libmemkind::fixed::allocator<int> first(area, sizeof(area)), second(area, sizeof(area));
}

static void fixed_too_much()
{
    libmemkind::fixed::allocator<int>(area, sizeof(area)).allocate(sizeof(area));
}

static void no_pool()
{
    libmemkind::pool pool(MEMKIND_REGULAR, 0);
}
#endif

int main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    check_container(hbw::allocator<int>());
    check_ends("hbw::allocator", hbw_too_much);
#if __cplusplus >= 201103L
    dir = argv[1];
    check_container(libmemkind::static_kind::allocator<int>(libmemkind::kinds::REGULAR));
    check_container(libmemkind::pmem::allocator<int>(dir, 32 << 20));
    check_container(libmemkind::fixed::allocator<int>(area, sizeof(area)));
    check_ends("no static kind", no_kind);
    check_ends("static_kind::allocator", static_too_much);
    check_ends("no directory", no_dir);
    check_ends("pmem::allocator", pmem_too_much);
    check_ends("no area", no_area);
    check_ends("fixed::allocator", fixed_too_much);
    check_ends("no pool", no_pool);
#endif
    return failures == 0 ? 0 : 1;
}
