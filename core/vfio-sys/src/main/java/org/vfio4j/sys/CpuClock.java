package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * How long a thread of this process, or all of them, has had a processor: clock_gettime(2).
 *
 * @param id as the kernel numbers clocks: that of a thread is made of its number
 */
public record CpuClock(long id) {

    /** All threads of the process, ended ones included: {@code CLOCK_PROCESS_CPUTIME_ID}. */
    public static final CpuClock PROCESS = new CpuClock(2);

    // uapi/linux/posix-timers_types.h: CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED, below the number's complement.
    private static final int THREAD = 6;
    private static final int SHIFT = 3;

    private static final Path SELF = Path.of("/proc/thread-self");
    private static final long TIMESPEC_SIZEOF = 16;
    private static final long NANOS_PER_SECOND = 1_000_000_000;

    private static final CFunction CLOCK_GETTIME = CFunction.of("clock_gettime");

    /** The calling thread's. Others may read it, until the thread has ended. */
    public static CpuClock ofThread() {
        try {
            // PID/task/TID. The C library has no name for it before 2.30, and the system call has a number of each
            // machine.
            int tid =
                    Integer.parseInt(Files.readSymbolicLink(SELF).getFileName().toString());
            return new CpuClock(((long) ~tid << SHIFT) | THREAD);
        } catch (IOException e) {
            throw ErrnoException.of(e, "read " + SELF);
        }
    }

    /** Nanoseconds; 0 when the thread has ended. */
    public long ns() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment time = arena.allocate(TIMESPEC_SIZEOF, Long.BYTES);
            if (CLOCK_GETTIME.callInt(id, time.address()) != 0) {
                return 0;
            }
            return time.get(JAVA_LONG, 0) * NANOS_PER_SECOND + time.get(JAVA_LONG, Long.BYTES);
        }
    }
}
