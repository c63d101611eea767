package org.vfio4j.vfio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;

/** Eventfds of users: each signal arrives, none after the end, one's trouble is not another's. */
class VirqFdTest {

    private static final String THREAD = "vfio-virqfd";

    @AfterEach
    void theThreadEndsWithTheLast() throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (isWatching() && System.nanoTime() < deadline) {
            Thread.sleep(1);
        }
        assertThat(isWatching()).isFalse();
    }

    @Test
    void runsAfterASignalAndForOneThatWasThere() throws InterruptedException {
        Semaphore runs = new Semaphore(0);
        try (Fd user = EventFd.create()) {
            EventFd.signal(user.value());
            try (VirqFd virq = VirqFd.watch(user.dup(), runs::release)) {
                assertThat(virq).isNotNull();
                assertThat(runs.tryAcquire(30, TimeUnit.SECONDS)).isTrue();
                EventFd.signal(user.value());
                assertThat(runs.tryAcquire(30, TimeUnit.SECONDS)).isTrue();
            }
            EventFd.signal(user.value());
            assertThat(runs.tryAcquire(50, TimeUnit.MILLISECONDS)).isFalse();
        }
    }

    @Test
    void aHandlerThatFailsHarmsNobodyElse() throws InterruptedException {
        othersAreToldAfter(new IllegalStateException("on purpose"));
    }

    @Test
    void norDoesOneThatHasNoMemory() throws InterruptedException {
        othersAreToldAfter(new OutOfMemoryError("on purpose"));
    }

    private static void othersAreToldAfter(Throwable failure) throws InterruptedException {
        Semaphore runs = new Semaphore(0);
        CountDownLatch failed = new CountDownLatch(1);
        try (Fd bad = EventFd.create();
                Fd good = EventFd.create();
                VirqFd first = VirqFd.watch(bad.dup(), () -> {
                    failed.countDown();
                    switch (failure) {
                        case Error error -> throw error;
                        default -> throw (RuntimeException) failure;
                    }
                });
                VirqFd second = VirqFd.watch(good.dup(), runs::release)) {
            assertThat(first).isNotSameAs(second);
            EventFd.signal(bad.value());
            assertThat(failed.await(30, TimeUnit.SECONDS)).isTrue();
            EventFd.signal(good.value());
            assertThat(runs.tryAcquire(30, TimeUnit.SECONDS)).isTrue();
        }
    }

    @Test
    void aDescriptorThatCannotBeWatchedIsRefusedAndStaysTheCallers(@TempDir Path directory) throws IOException {
        Path file = Files.createFile(directory.resolve("file"));
        try (Fd fd = FileIo.open(file, FileIo.O_RDONLY)) {
            assertThatThrownBy(() -> VirqFd.watch(fd, () -> {})).isInstanceOf(ErrnoException.class);
            assertThat(fd.isOpen()).isTrue();
        }
    }

    /** The last one's end meets signals and the next one's beginning: no failure, and no call after a close. */
    @Test
    void beginsAndEndsWhileSignalsArrive() throws InterruptedException {
        AtomicInteger late = new AtomicInteger();
        List<Throwable> failures = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            Thread thread = new Thread(() -> beginAndEnd(late));
            thread.setUncaughtExceptionHandler((t, e) -> {
                synchronized (failures) {
                    failures.add(e);
                }
            });
            threads.add(thread);
            thread.start();
        }
        for (Thread thread : threads) {
            thread.join();
        }
        assertThat(failures).isEmpty();
        assertThat(late).hasValue(0);
    }

    private static void beginAndEnd(AtomicInteger late) {
        for (int i = 0; i < 300; i++) {
            try (Fd user = EventFd.create()) {
                boolean[] closed = {false};
                VirqFd virq = VirqFd.watch(user.dup(), () -> {
                    if (closed[0]) {
                        late.incrementAndGet();
                    }
                });
                EventFd.signal(user.value());
                virq.close();
                closed[0] = true;
            }
        }
    }

    private static boolean isWatching() {
        return Thread.getAllStackTraces().keySet().stream()
                .anyMatch(thread -> thread.getName().equals(THREAD));
    }
}
