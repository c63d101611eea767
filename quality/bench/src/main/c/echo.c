/*
 * A bare echo over the kind of socket that vfio-user uses, as a yardstick for region round trips: a request of 32 bytes
 * (header and struct of REGION_READ), a reply of 36 (the same and 4 bytes of data), one request at a time, two processes.
 *
 * usage: echo spin|block SECONDS
 * Prints round trips per second, and p50, p99, p99.9 in microseconds.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST = 32, REPLY = 36, MAX_SAMPLES = 8 << 20 };

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void receive(int fd, char *buffer, int size, int flags)
{
    struct iovec piece = {buffer, size};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    ssize_t n;

    do
        n = recvmsg(fd, &message, flags);
    while (n < 0 && (errno == EAGAIN || errno == EINTR));
    if (n != size)
        exit(n == 0 ? 0 : 1);
}

static void serve(int fd, int flags)
{
    char request[REQUEST], reply[REPLY] = {0};

    for (;;) {
        receive(fd, request, REQUEST, flags);
        memcpy(reply, request, REQUEST);
        if (send(fd, reply, REPLY, MSG_NOSIGNAL) != REPLY)
            exit(0);
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    static uint32_t samples[MAX_SAMPLES];
    char request[REQUEST] = {0}, reply[REPLY];
    int fds[2], count = 0;

    if (argc != 3 || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) {
        fprintf(stderr, "usage: echo spin|block SECONDS\n");
        return 2;
    }
    int flags = strcmp(argv[1], "spin") == 0 ? MSG_DONTWAIT : 0;
    pid_t server = fork();
    if (server == 0) {
        close(fds[0]);
        serve(fds[1], flags);
    }
    close(fds[1]);
    uint64_t warm = now_ns() + 500000000, begin = 0, at = now_ns(), end = warm + atoll(argv[2]) * 1000000000ULL;
    while (at < end && count < MAX_SAMPLES) {
        if (send(fds[0], request, REQUEST, MSG_NOSIGNAL) != REQUEST)
            return 1;
        receive(fds[0], reply, REPLY, flags);
        uint64_t after = now_ns();
        if (at >= warm) {
            begin = begin ? begin : at;
            samples[count++] = after - at;
        }
        at = after;
    }
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    qsort(samples, count, sizeof samples[0], compare);
    printf("%.0f %.1f %.1f %.1f\n", count * 1e9 / (at - begin), samples[count / 2] / 1e3,
           samples[(uint64_t)count * 99 / 100] / 1e3, samples[(uint64_t)count * 999 / 1000] / 1e3);
    return 0;
}
