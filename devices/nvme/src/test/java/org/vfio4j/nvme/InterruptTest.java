package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.nvmedriver.NvmeCommand.DOORBELL_BUFFER;
import static org.vfio4j.nvmedriver.NvmeCommand.READ;
import static org.vfio4j.nvmedriver.NvmeDriver.INTMC;
import static org.vfio4j.nvmedriver.NvmeDriver.INTMS;
import static org.vfio4j.nvmedriver.NvmeDriver.await;

import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeDriver;
import org.vfio4j.nvmedriver.NvmeQueue;

/** Pin-based interrupts, MSI-X, and coalescing: NVMe over PCIe Transport 1.0, 3.5; NVM Express Base 2.0, 5.27.1.6. */
class InterruptTest {

    private final NvmeFixture fixture =
            new NvmeFixture(new MemoryBackend(NvmeFixture.DISK_BYTES), builder -> builder.poll(QueuePolling.ALWAYS));

    @AfterEach
    void tearDown() {
        fixture.close();
    }

    @Test
    void thePinIsAssertedUntilCompletionsAreConsumed() {
        fixture.start();
        await("no INTx", () -> !fixture.intx);
        fixture.io.submit(NvmeCommand.io(READ, 1, 0, 1).prp(fixture.pages(1)));
        await("INTx", () -> fixture.intx);
        assertThat(fixture.io.peek()).isPresent();
        fixture.io.consumed();
        await("no INTx", () -> !fixture.intx);
        assertThat(fixture.messages).isEmpty();
    }

    @Test
    void aCommandThatComesAloneAssertsThePinOnce() {
        fixture.start();
        await("no INTx", () -> !fixture.intx);
        long page = fixture.pages(1);
        int before = fixture.intxRises.get();
        for (int i = 0; i < 200; i++) {
            fixture.io.submit(NvmeCommand.io(READ, 1, i, 1).prp(page));
            await("INTx", () -> fixture.intx);
            assertThat(fixture.io.peek()).isPresent();
            fixture.io.consumed();
            assertThat(fixture.intx).isFalse();
        }
        fixture.onQueueThread(() -> {});
        assertThat(fixture.intxRises.get() - before).isEqualTo(200);
    }

    /** What a deleted submission queue has completed is consumed all the same. */
    @Test
    void thePinFollowsACompletionQueueWithoutSubmissionQueues() {
        fixture.start();
        fixture.io.submit(NvmeCommand.io(READ, 1, 0, 1).prp(fixture.pages(1)));
        await("completion", fixture.io::isDone);
        assertThat(fixture.admin
                        .run(new NvmeCommand(NvmeCommand.DELETE_SQ).cdw(10, 1))
                        .status())
                .isZero();
        await("INTx", () -> fixture.intx);
        assertThat(fixture.io.peek()).isPresent();
        fixture.io.consumed();
        await("no INTx", () -> !fixture.intx);
    }

    @Test
    void aMaskedPinIsNotAsserted() throws InterruptedException {
        fixture.start();
        await("no INTx", () -> !fixture.intx);
        fixture.driver.write(INTMS, 4, 1);
        fixture.driver.write(INTMS, 4, 2);
        fixture.driver.write(INTMS, 4, 0);
        assertThat(fixture.driver.read(INTMS, 4)).as("only ones count").isEqualTo(3);
        assertThat(fixture.driver.read(INTMC, 4)).isEqualTo(3);
        fixture.io.submit(NvmeCommand.io(READ, 1, 0, 1).prp(fixture.pages(1)));
        await("completion", fixture.io::isDone);
        Thread.sleep(5);
        assertThat(fixture.intx).isFalse();
        fixture.driver.write(INTMC, 4, 1);
        await("INTx", () -> fixture.intx);
        assertThat(fixture.driver.read(INTMS, 4)).isEqualTo(2);
    }

    /** A hypervisor lets the next interrupt through when the driver's write is done: by then the level is down. */
    @Test
    void aHeadTakesThePinDownBeforeItsWriteIsDone() {
        fixture.start();
        await("no INTx", () -> !fixture.intx);
        fixture.io.submit(NvmeCommand.io(READ, 1, 0, 1).prp(fixture.pages(1)));
        await("INTx", () -> fixture.intx);
        try (Held _ = new Held()) {
            assertThat(fixture.io.peek()).isPresent();
            fixture.io.consumed();
            assertThat(fixture.intx).isFalse();
        }
    }

    @Test
    void aHeadThatLeavesSomethingDoesNotLoseTheInterrupt() {
        fixture.start();
        await("no INTx", () -> !fixture.intx);
        fixture.io.put(NvmeCommand.io(READ, 1, 0, 1).prp(fixture.pages(1)));
        fixture.io.submit(NvmeCommand.io(READ, 1, 0, 1).prp(fixture.pages(1)));
        assertThat(fixture.io.await().status()).isZero();
        await("INTx", () -> fixture.io.isDone() && fixture.intx);
        assertThat(fixture.io.await().status()).isZero();
        await("no INTx", () -> !fixture.intx);
    }

    /** Such as one that does not complete, of another thread, while the one that has raised it sleeps. */
    @Test
    void aCommandThatTakesTheLevelDownLosesNoInterrupt() throws InterruptedException {
        try (NvmeFixture two =
                new NvmeFixture(new MemoryBackend(NvmeFixture.DISK_BYTES), builder -> builder.threads(2)).start()) {
            NvmeQueue second = two.driver.create(two.admin, 2, 16, false);
            for (NvmeQueue queue : List.of(two.io, second)) {
                await("no INTx", () -> !two.intx);
                queue.submit(NvmeCommand.io(READ, 1, 0, 1).prp(two.pages(1)));
                await("INTx", () -> queue.isDone() && two.intx);
                Thread.sleep(5);
                two.admin.submit(new NvmeCommand(NvmeCommand.ASYNC_EVENT));
                await("INTx again", () -> two.intx);
                assertThat(queue.await().status()).isZero();
            }
        }
    }

    @Test
    void theMaskTakesThePinDownBeforeItsWriteIsDone() {
        fixture.start();
        fixture.io.submit(NvmeCommand.io(READ, 1, 0, 1).prp(fixture.pages(1)));
        await("INTx", () -> fixture.io.isDone() && fixture.intx);
        try (Held _ = new Held()) {
            fixture.driver.write(INTMS, 4, 1);
            assertThat(fixture.intx).isFalse();
            fixture.driver.write(INTMC, 4, 1);
        }
        await("INTx", () -> fixture.intx);
    }

    /** Also of a thread that never sleeps: only the register's write ends a level. */
    @Test
    void withShadowDoorbellsADriverIsAskedToRingForEachInterrupt() {
        fixture.start();
        long shadow = fixture.pages(1);
        long events = fixture.pages(1);
        long page = fixture.pages(1);
        assertThat(fixture.admin
                        .run(new NvmeCommand(DOORBELL_BUFFER).prp(shadow, events))
                        .status())
                .isZero();
        fixture.io.ringBy((doorbell, value) -> fixture.ringByShadow(shadow, events, doorbell, value));
        await("no INTx", () -> !fixture.intx);
        for (int i = 0; i < 300; i++) {
            fixture.io.submit(NvmeCommand.io(READ, 1, i, 1).prp(page));
            await("INTx", () -> fixture.intx);
            assertThat(fixture.io.peek()).isPresent();
            long before = fixture.nvme.counters().doorbells();
            fixture.io.consumed();
            assertThat(fixture.nvme.counters().doorbells()).as("command %d", i).isEqualTo(before + 1);
            assertThat(fixture.intx).isFalse();
        }
    }

    /** The queue thread does nothing meanwhile. */
    private final class Held implements AutoCloseable {

        private final CountDownLatch held = new CountDownLatch(1);
        private final CountDownLatch released = new CountDownLatch(1);

        Held() {
            fixture.handler.controller().run(() -> {
                held.countDown();
                awaitQuietly(released);
            });
            awaitQuietly(held);
        }

        private static void awaitQuietly(CountDownLatch latch) {
            try {
                assertThat(latch.await(10, TimeUnit.SECONDS)).isTrue();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }

        @Override
        public void close() {
            released.countDown();
        }
    }

    @Test
    void eachCompletionQueueHasItsVector() {
        fixture.enableMsix();
        fixture.start();
        assertThat(fixture.messages).contains(0).doesNotContain(1);
        fixture.io.run(NvmeCommand.io(READ, 1, 0, 1).prp(fixture.pages(1)));
        await("message", () -> fixture.messages.contains(1));
        assertThat(fixture.intx).isFalse();
    }

    @Test
    void aQueueWithoutInterruptsSendsNone() throws InterruptedException {
        fixture.enableMsix();
        fixture.start();
        var queue = fixture.driver.queue(2, 16, false);
        fixture.admin.run(NvmeDriver.createCompletions(queue, 2).cdw(11, 1 | (2 << 16)));
        fixture.admin.run(NvmeDriver.createSubmissions(queue));
        queue.run(NvmeCommand.io(READ, 1, 0, 1).prp(fixture.pages(1)));
        Thread.sleep(5);
        assertThat(fixture.messages).doesNotContain(2);
    }

    @Test
    void aBatchInterruptsOnce() {
        fixture.enableMsix();
        fixture.start();
        long page = fixture.pages(1);
        fixture.messages.clear();
        for (int i = 0; i < 30; i++) {
            fixture.io.put(NvmeCommand.io(READ, 1, i, 1).prp(page));
        }
        fixture.io.ring();
        for (int i = 0; i < 30; i++) {
            fixture.io.await();
        }
        assertThat(fixture.messages.stream().filter(vector -> vector == 1).count())
                .isLessThanOrEqualTo(2);
    }

    @Test
    void coalescingWaitsForEntriesOrTime() throws InterruptedException {
        fixture.enableMsix();
        fixture.start();
        long page = fixture.pages(1);
        // 10 s or 4 entries.
        fixture.onQueueThread(() -> fixture.handler.controller().setCoalescing(3, 100_000));
        fixture.messages.clear();
        for (int i = 0; i < 3; i++) {
            fixture.io.run(NvmeCommand.io(READ, 1, i, 1).prp(page));
        }
        Thread.sleep(5);
        assertThat(fixture.messages).doesNotContain(1);
        fixture.io.run(NvmeCommand.io(READ, 1, 3, 1).prp(page));
        await("message", () -> fixture.messages.contains(1));
        fixture.messages.clear();
        fixture.onQueueThread(() -> fixture.handler.controller().setCoalescing(3, 1));
        fixture.io.run(NvmeCommand.io(READ, 1, 3, 1).prp(page));
        await("message", () -> fixture.messages.contains(1));
        fixture.messages.clear();
        fixture.onQueueThread(() -> {
            fixture.handler.controller().setCoalescing(3, 100_000);
            fixture.handler.controller().setCoalescingDisabled(1, true);
        });
        fixture.io.run(NvmeCommand.io(READ, 1, 3, 1).prp(page));
        await("message", () -> fixture.messages.contains(1));
    }
}
