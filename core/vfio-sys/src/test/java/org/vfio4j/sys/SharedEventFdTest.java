package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.vfio4j.sys.Errno.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntUnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A signal adds 1, from whatever thread, and waits for nobody. */
class SharedEventFdTest {

    private static final long MOST = 0xffff_ffff_ffff_fffeL;
    /** A property to set for a machine whose kernel does not signal eventfds for io_submit(2). */
    private static final String WITHOUT = "vfio4j.withoutAioSignal";

    /** Two for each context. */
    private static final int THREADS = 2 * AioSignal.MOST_CONTEXTS;

    private static final int SIGNALS = 5_000;

    private final OpenFds fds = new OpenFds();

    @AfterEach
    void leavesNoDescriptor() {
        fds.assertNoneLeft();
    }

    /** Without it the other tests would not notice that they try the replacement. */
    @Test
    void theKernelDoesIt() {
        assumeKernelMay();
        assertThat(AioSignal.probe()).isZero();
    }

    private static void assumeKernelMay() {
        assumeFalse(Boolean.getBoolean(WITHOUT), () -> "SKIPPED: -D" + WITHOUT);
    }

    @Test
    void saysErrorsAsNegativeNumbers() {
        assumeKernelMay();
        assertThat(SharedEventFd.signal(-1)).isEqualTo(-EBADF);
        try (Fd file = MemFd.create("no eventfd", 4096)) {
            assertThat(SharedEventFd.signal(file.value())).isEqualTo(-EINVAL);
        }
    }

    @Test
    void addsOne() {
        try (Fd event = EventFd.create()) {
            assertThat(SharedEventFd.signal(event.value())).isZero();
            assertThat(SharedEventFd.signal(event.value())).isZero();
            assertThat(EventFd.drain(event.value())).isEqualTo(2);
        }
    }

    @Test
    void doesNotWaitWhereTheCounterIsFull() throws InterruptedException {
        endsAndLeavesItFull(SharedEventFd::signal);
    }

    /** The kernel lets a full counter count once more, which write(2) cannot. */
    @Test
    void theKernelCountsToTheEnd() throws InterruptedException {
        assumeKernelMay();
        assertThat(endsAndLeavesItFull(AioSignal::signal)).isEqualTo(0xffff_ffff_ffff_ffffL);
    }

    /** A counter has no sign. */
    @Test
    void aDrainedFullCounterIsNoErrno() {
        try (Fd event = EventFd.create()) {
            fill(event);
            assertThat(EventFd.drain(event.value())).isEqualTo(Long.MAX_VALUE);
            assertThat(EventFd.drain(event.value())).isEqualTo(-EAGAIN);
        }
    }

    /** Also where the kernel's own way is closed. */
    @Test
    void doesNotWriteWhereTheCounterIsFull() throws InterruptedException {
        endsAndLeavesItFull(SharedEventFd::writeIfRoom);
        try (Fd event = EventFd.create()) {
            assertThat(SharedEventFd.writeIfRoom(event.value())).isZero();
            assertThat(EventFd.drain(event.value())).isEqualTo(1);
        }
    }

    @Test
    void losesNoSignalOfManyThreads() throws InterruptedException {
        assumeKernelMay();
        AtomicInteger failures = new AtomicInteger();
        try (Fd event = EventFd.create()) {
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                threads.add(Thread.ofPlatform().start(() -> {
                    for (int j = 0; j < SIGNALS; j++) {
                        if (AioSignal.signal(event.value()) != 0) {
                            failures.incrementAndGet();
                        }
                    }
                }));
            }
            for (Thread thread : threads) {
                thread.join();
            }
            assertThat(failures).hasValue(0);
            assertThat(EventFd.drain(event.value())).isEqualTo(THREADS * SIGNALS);
        }
    }

    /** Returns what the counter is in the end. */
    private static long endsAndLeavesItFull(IntUnaryOperator signal) throws InterruptedException {
        try (Fd event = EventFd.create();
                Arena arena = Arena.ofConfined()) {
            fill(event);
            event.setNonBlocking(false);
            AtomicInteger result = new AtomicInteger(1);
            Thread thread = Thread.ofPlatform().daemon().start(() -> {
                int first = signal.applyAsInt(event.value());
                result.set(first | signal.applyAsInt(event.value()));
            });
            assertThat(thread.join(Duration.ofSeconds(30))).as("it has ended").isTrue();
            assertThat(result).hasValue(0);
            MemorySegment count = arena.allocate(ValueLayout.JAVA_LONG);
            assertThat(FileIo.read(event.value(), count.address(), Long.BYTES)).isEqualTo(Long.BYTES);
            long last = count.get(ValueLayout.JAVA_LONG, 0);
            assertThat(Long.compareUnsigned(last, MOST))
                    .as("nothing was taken away")
                    .isNotNegative();
            return last;
        }
    }

    private static void fill(Fd event) {
        try (Arena arena = Arena.ofConfined()) {
            long most = arena.allocateFrom(ValueLayout.JAVA_LONG, MOST).address();
            assertThat(FileIo.write(event.value(), most, Long.BYTES)).isEqualTo(Long.BYTES);
        }
    }
}
