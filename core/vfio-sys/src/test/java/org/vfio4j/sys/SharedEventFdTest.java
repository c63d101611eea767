package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.vfio4j.sys.Errno.*;

import java.lang.foreign.Arena;
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
    private static final int THREADS = 8;
    private static final int SIGNALS = 20_000;

    private final OpenFds fds = new OpenFds();

    @AfterEach
    void leavesNoDescriptor() {
        fds.assertNoneLeft();
    }

    @Test
    void saysErrorsAsNegativeNumbers() {
        assumeTrue(AioSignal.isAvailable());
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
        AtomicInteger failures = new AtomicInteger();
        try (Fd event = EventFd.create()) {
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                threads.add(Thread.ofPlatform().start(() -> {
                    for (int j = 0; j < SIGNALS; j++) {
                        if (SharedEventFd.signal(event.value()) != 0) {
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

    private static void endsAndLeavesItFull(IntUnaryOperator signal) throws InterruptedException {
        try (Fd event = EventFd.create();
                Arena arena = Arena.ofConfined()) {
            long most = arena.allocateFrom(ValueLayout.JAVA_LONG, MOST).address();
            assertThat(FileIo.write(event.value(), most, Long.BYTES)).isEqualTo(Long.BYTES);
            event.setNonBlocking(false);
            AtomicInteger result = new AtomicInteger(1);
            // The kernel lets a full counter count once more.
            Thread thread = Thread.ofPlatform().daemon().start(() -> {
                int first = signal.applyAsInt(event.value());
                result.set(first | signal.applyAsInt(event.value()));
            });
            assertThat(thread.join(Duration.ofSeconds(30))).as("it has ended").isTrue();
            assertThat(result).hasValue(0);
            assertThat(Long.compareUnsigned(EventFd.drain(event.value()), MOST))
                    .as("nothing was taken away")
                    .isNotNegative();
        }
    }
}
