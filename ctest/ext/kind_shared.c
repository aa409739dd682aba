/* SPDX-License-Identifier: BSD-2-Clause */
/* Two processes share memory of a kind over a descriptor: the other one maps the file, finds the bytes at the offset,
 * and puts a kind of its own over its mapping. */
#include "kind.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct message {
    size_t offset, size;
    void *address;
};

static void send_fd(int socket, int fd, struct message message)
{
    struct iovec part = {&message, sizeof(message)};
    char space[CMSG_SPACE(sizeof(int))] = {0};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};
    struct cmsghdr *control = CMSG_FIRSTHDR(&header);

    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(control), &fd, sizeof(fd));
    CHECK_INT(sizeof(message), sendmsg(socket, &header, 0));
}

static int receive_fd(int socket, struct message *message)
{
    struct iovec part = {message, sizeof(*message)};
    char space[CMSG_SPACE(sizeof(int))];
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};
    int fd;

    CHECK_INT(sizeof(*message), recvmsg(socket, &header, 0));
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(fd));
    return fd;
}

static void other_process(int socket)
{
    struct message message;
    int fd = receive_fd(socket, &message);
    struct stat file;
    char *mapping;
    memkind_t kind;

    CHECK_INT(0, fstat(fd, &file));
    CHECK(ftruncate(fd, 0) == -1 && errno == EPERM);
    mapping = mmap(NULL, (size_t)file.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(mapping != MAP_FAILED);
    CHECK(holds(mapping + message.offset, message.size, 7));
    fill(mapping + message.offset, message.size, 8);
    /* The block is this process's now. */
    CHECK_INT(0, memkind_create_fixed(mapping + message.offset, message.size, &kind));
    CHECK_NOT_NULL(memkind_malloc(kind, 100));
    CHECK_INT(0, memkind_destroy_kind(kind));
    fill(mapping + message.offset, message.size, 9);
}

int main(void)
{
    memkind_t kind = make_wanted((struct wanted){
        .options = MEMKIND_OPTION_SHARED | MEMKIND_OPTION_PIN, .slab_size = 8 * MIB, .alignment = 4096});
    memkind_t private = make_wanted((struct wanted){.options = MEMKIND_OPTION_PIN, .slab_size = 4 * MIB});
    struct message message = {.size = MIB};
    int sockets[2], fd = -1;
    size_t offset;
    pid_t child;

    CHECK_INT(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
    child = fork();
    if (child == 0) {
        other_process(sockets[1]);
        _exit(0);
    }
    message.address = memkind_malloc(kind, message.size);
    CHECK_NOT_NULL(message.address);
    fill(message.address, message.size, 7);
    CHECK_INT(0, memkind_get_fd(message.address, &fd, &message.offset));
    CHECK_INT(0, memkind_get_fd((char *)message.address + 5, &fd, &offset));
    CHECK_INT(message.offset + 5, offset);
    send_fd(sockets[0], fd, message);
    CHECK_INT(0, child_wait(child));
    CHECK(holds(message.address, message.size, 9));

    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_get_fd(memkind_malloc(private, 10), &fd, &offset));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_get_fd(&fd, &fd, &offset));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_get_fd(NULL, &fd, &offset));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_get_fd(message.address, NULL, &offset));
    CHECK_INT(MEMKIND_ERROR_INVALID, memkind_get_fd(message.address, &fd, NULL));
    CHECK_INT(0, memkind_destroy_kind(private));
    CHECK_INT(0, memkind_destroy_kind(kind));
    return 0;
}
