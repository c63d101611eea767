/*
 * Random 4 KiB requests to a file through io_uring's system calls alone, with a fixed number in flight, as a yardstick for disks on
 * files: the operations and ring flags that the file backend uses, a registered file, and a registered buffer if it is told so.
 *
 * usage: uring FILE DEPTH SECONDS [write] [direct] [iopoll] [fixed]
 * Reads through the page cache, unless it is told otherwise. Prints requests per second.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { BYTES = 4096 };

static int ring, file, writes, direct, iopoll, fixed;
static uint64_t blocks, random_state = 0x9e3779b97f4a7c15ULL;
static _Atomic uint32_t *sq_tail, *cq_head, *cq_tail;
static uint32_t *sq_array, sq_mask, cq_mask, to_submit;
static struct io_uring_sqe *sqes;
static struct io_uring_cqe *cqes;
static char *buffers;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void set_up(int depth)
{
    struct io_uring_params p = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | (iopoll ? IORING_SETUP_IOPOLL : 0),
    };

    ring = syscall(__NR_io_uring_setup, depth, &p);
    if (ring < 0)
        die("io_uring_setup");
    if (syscall(__NR_io_uring_register, ring, IORING_REGISTER_FILES, &file, 1) != 0)
        die("io_uring_register");
    char *sq = mmap(NULL, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring,
                    IORING_OFF_SQ_RING);
    char *cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof *cqes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                    ring, IORING_OFF_CQ_RING);
    sqes = mmap(NULL, p.sq_entries * sizeof *sqes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring,
                IORING_OFF_SQES);
    if (sq == MAP_FAILED || cq == MAP_FAILED || sqes == MAP_FAILED)
        die("mmap");
    sq_tail = (void *)(sq + p.sq_off.tail);
    sq_mask = *(uint32_t *)(sq + p.sq_off.ring_mask);
    sq_array = (void *)(sq + p.sq_off.array);
    cq_head = (void *)(cq + p.cq_off.head);
    cq_tail = (void *)(cq + p.cq_off.tail);
    cq_mask = *(uint32_t *)(cq + p.cq_off.ring_mask);
    cqes = (void *)(cq + p.cq_off.cqes);
}

static void start(int tag)
{
    uint32_t tail = atomic_load_explicit(sq_tail, memory_order_relaxed), index = tail & sq_mask;
    struct io_uring_sqe *sqe = &sqes[index];

    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    memset(sqe, 0, sizeof *sqe);
    if (fixed) /* the only buffer */
        sqe->opcode = writes ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED;
    else
        sqe->opcode = writes ? IORING_OP_WRITE : IORING_OP_READ;
    sqe->flags = IOSQE_FIXED_FILE; /* the first of the ring's table */
    sqe->off = (uint64_t)((unsigned __int128)random_state * blocks >> 64) * BYTES;
    sqe->addr = (uint64_t)(buffers + (size_t)tag * BYTES);
    sqe->len = BYTES;
    sqe->user_data = tag;
    sq_array[index] = index;
    atomic_store_explicit(sq_tail, tail + 1, memory_order_release);
    to_submit++;
}

static double run(int depth, uint64_t ns)
{
    uint64_t begin = now_ns(), done = 0;
    int in_flight = depth, ending = 0;

    for (int tag = 0; tag < depth; tag++)
        start(tag);
    while (in_flight > 0) {
        int n = syscall(__NR_io_uring_enter, ring, to_submit, 0, IORING_ENTER_GETEVENTS, NULL, 0);
        if (n < 0)
            die("io_uring_enter");
        to_submit -= n;
        uint32_t head = atomic_load_explicit(cq_head, memory_order_relaxed);
        uint32_t tail = atomic_load_explicit(cq_tail, memory_order_acquire);
        for (; head != tail; head++) {
            struct io_uring_cqe cqe = cqes[head & cq_mask];
            if (cqe.res != BYTES) {
                fprintf(stderr, "request: %s\n", cqe.res < 0 ? strerror(-cqe.res) : "short");
                exit(1);
            }
            done++;
            if (ending)
                in_flight--;
            else
                start(cqe.user_data);
        }
        atomic_store_explicit(cq_head, head, memory_order_release);
        ending = now_ns() - begin >= ns;
    }
    return done * 1e9 / (now_ns() - begin);
}

static int has(int argc, char **argv, const char *word)
{
    for (int i = 4; i < argc; i++)
        if (strcmp(argv[i], word) == 0)
            return 1;
    return 0;
}

int main(int argc, char **argv)
{
    struct stat st;

    writes = has(argc, argv, "write");
    direct = has(argc, argv, "direct");
    iopoll = has(argc, argv, "iopoll");
    fixed = has(argc, argv, "fixed");
    if (argc < 4 || argc != 4 + writes + direct + iopoll + fixed) {
        fprintf(stderr, "usage: uring FILE DEPTH SECONDS [write] [direct] [iopoll] [fixed]\n");
        return 2;
    }
    file = open(argv[1], (writes ? O_RDWR : O_RDONLY) | (direct ? O_DIRECT : 0));
    if (file < 0 || fstat(file, &st) != 0)
        die(argv[1]);
    int depth = atoi(argv[2]);
    uint64_t ns = atoll(argv[3]) * 1000000000ULL;
    blocks = st.st_size / BYTES;
    buffers = aligned_alloc(BYTES, (size_t)depth * BYTES);
    memset(buffers, 1, (size_t)depth * BYTES);
    set_up(depth);
    struct iovec buffer = { buffers, (size_t)depth * BYTES };
    if (fixed && syscall(__NR_io_uring_register, ring, IORING_REGISTER_BUFFERS, &buffer, 1) != 0)
        die("io_uring_register");
    run(depth, ns / 2);
    printf("%.0f\n", run(depth, ns));
    return 0;
}
