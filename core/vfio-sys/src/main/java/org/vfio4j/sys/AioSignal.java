package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.ENOSYS;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.LongStream;

/**
 * A signal to an eventfd by the kernel, as its drivers give it: eventfd_signal, which never waits and leaves a full counter full. One system
 * call has it do so, io_submit(2) of a request that asks for a signal at its end ({@code IOCB_FLAG_RESFD}). The request is to read nothing
 * from the eventfd itself; it is refused, and so complete, before the call returns.
 *
 * <p>Each thread has a request of its own, and shares a context with some others. The context's ring of completions is emptied by moving its
 * head to its tail, as libaio does. Who does that late moves it back, which leaves completions of others in the ring until the next one
 * moves it: there is room for many.
 */
final class AioSignal {

    private static final boolean AARCH64 = System.getProperty("os.arch").equals("aarch64");
    private static final long SYS_IO_SETUP = AARCH64 ? 0 : 206;
    private static final long SYS_IO_SUBMIT = AARCH64 ? 2 : 209;

    // struct iocb (linux/aio_abi.h). Opcode 0 reads, and all that is left out is 0.
    private static final long AIO_FILDES = 20;
    private static final long AIO_FLAGS = 56;
    private static final long AIO_RESFD = 60;
    private static final long IOCB_SIZEOF = 64;
    private static final int IOCB_CMD_PREAD = 0;
    private static final long AIO_LIO_OPCODE = 16;
    private static final int IOCB_FLAG_RESFD = 1;

    // struct aio_ring, which is where a context's id points to.
    private static final long RING_HEAD = 8;
    private static final long RING_TAIL = 12;
    private static final long RING_MAGIC = 16;
    private static final int AIO_RING_MAGIC = 0xa10a10a1;

    private static final CFunction SYSCALL = CFunction.of("syscall");

    /** The first threads, as many as there are processors, have one each. Later ones share, and may wait for each other a moment. */
    static final int MOST_CONTEXTS = 16;

    private static final int RETRIES = 3;

    private static final AtomicInteger THREADS = new AtomicInteger();

    // Guarded by itself. NO_CONTEXT, or an address.
    private static final long[] CONTEXTS =
            new long[Math.min(Runtime.getRuntime().availableProcessors(), MOST_CONTEXTS)];

    private static final ThreadLocal<AioSignal> OWN = ThreadLocal.withInitial(AioSignal::new);
    private static final long NO_CONTEXT = 0;

    // What follows it is the array that io_submit takes: a pointer to it.
    private final MemorySegment request = Arena.ofAuto().allocate(IOCB_SIZEOF + Long.BYTES, Long.BYTES);
    private final int which = Math.floorMod(THREADS.getAndIncrement(), CONTEXTS.length);

    // An address, or what io_setup has said: a negative errno.
    private long context = NO_CONTEXT;

    private AioSignal() {
        request.set(JAVA_SHORT, AIO_LIO_OPCODE, (short) IOCB_CMD_PREAD);
        request.set(JAVA_INT, AIO_FLAGS, IOCB_FLAG_RESFD);
        request.set(JAVA_LONG, IOCB_SIZEOF, request.address());
    }

    /** Whether the kernel does it: one with AIO, from 5.8 on, that lets this process. 0, or a negative errno: -EINVAL before 5.8. */
    static int probe() {
        try (Fd probe = EventFd.create()) {
            int result = signal(probe.value());
            return result == 0 && EventFd.drain(probe.value()) != 1 ? -ENOSYS : result;
        } catch (ErrnoException e) {
            return -e.errno();
        }
    }

    /**
     * Adds 1 to the counter.
     *
     * @return 0 or a negative errno: what io_submit says, -EAGAIN when it has no memory for the request, or io_setup while there is no
     *     context at all
     */
    static int signal(int fd) {
        AioSignal own = OWN.get();
        if (own.context <= 0) {
            own.context = context(own.which);
        }
        return own.context < 0 ? (int) own.context : own.submit(fd);
    }

    private int submit(int fd) {
        request.set(JAVA_INT, AIO_FILDES, fd);
        request.set(JAVA_INT, AIO_RESFD, fd);
        long result = SYSCALL.call(SYS_IO_SUBMIT, context, 1, request.address() + IOCB_SIZEOF);
        for (int i = 0; i < RETRIES && result == -EAGAIN; i++) {
            // The ring may be full: one of the threads that share it has moved its head back.
            forgetCompletions();
            result = SYSCALL.call(SYS_IO_SUBMIT, context, 1, request.address() + IOCB_SIZEOF);
        }
        forgetCompletions();
        return result == 1 ? 0 : (int) result;
    }

    private void forgetCompletions() {
        // SAFETY: the ring is there until the process ends: contexts are never destroyed.
        RawMemory.putIntRelease(context + RING_HEAD, RawMemory.getIntAcquire(context + RING_TAIL));
    }

    /** A context, or a negative errno when there is none: any will do when the machine has no more of them (fs.aio-max-nr). */
    private static long context(int which) {
        synchronized (CONTEXTS) {
            if (CONTEXTS[which] != NO_CONTEXT) {
                return CONTEXTS[which];
            }
            long made = create();
            if (made > 0) {
                CONTEXTS[which] = made;
                return made;
            }
            return LongStream.of(CONTEXTS)
                    .filter(any -> any != NO_CONTEXT)
                    .findFirst()
                    .orElse(made);
        }
    }

    private static long create() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment id = arena.allocate(JAVA_LONG);
            long result = SYSCALL.call(SYS_IO_SETUP, 1, id.address());
            if (result < 0) {
                return result;
            }
            long made = id.get(JAVA_LONG, 0);
            // SAFETY: the kernel has just mapped it.
            return RawMemory.getInt(made + RING_MAGIC) == AIO_RING_MAGIC ? made : -ENOSYS;
        }
    }
}
