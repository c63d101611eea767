package org.vfio4j.vfio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.bus.DmaSpace.READ;
import static org.vfio4j.bus.DmaSpace.WRITE;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;

/** Memory is released only behind a safe point, and a thread that does its part never sees it go. */
class IoAddressSpaceSafePointTest {

    private static final int PAGE = 4096;

    private final IoAddressSpace space = new IoAddressSpace(16);

    @Test
    void unmapWaitsUntilTheWindowLeaves() throws Exception {
        space.map(0, READ, Mapping.anonymous(PAGE));
        try (DmaWindow window = space.openWindow()) {
            window.enter();
            assertThat(window.translate(0, PAGE, READ)).isPositive();
            assertThat(window.yieldRequested()).isFalse();
            CompletableFuture<Void> unmap = CompletableFuture.runAsync(() -> space.unmap(0, PAGE));
            awaitRequest(window);
            assertThat(unmap).isNotDone();
            assertThat(window.yieldRequested()).isTrue();
            window.leave();
            unmap.get(30, TimeUnit.SECONDS);
            window.enter();
            assertThat(window.yieldRequested()).isFalse();
            assertThat(window.translate(0, PAGE, READ)).isNegative();
        }
    }

    @Test
    void reenteringIsASafePointToo() throws Exception {
        space.map(0, READ, Mapping.anonymous(PAGE));
        try (DmaWindow window = space.openWindow()) {
            window.enter();
            CompletableFuture<Void> unmap = CompletableFuture.runAsync(() -> space.unmap(0, PAGE));
            awaitRequest(window);
            assertThat(unmap).isNotDone();
            window.leave();
            window.enter();
            unmap.get(30, TimeUnit.SECONDS);
        }
    }

    @Test
    void anOfflineOrClosedWindowDelaysNobody() {
        DmaWindow closed = space.openWindow();
        closed.enter();
        closed.close();
        try (DmaWindow offline = space.openWindow()) {
            space.map(0, READ, Mapping.anonymous(PAGE));
            space.unmap(0, PAGE);
            assertThat(offline.yieldRequested()).isTrue(); // never entered: belongs to no epoch
        }
    }

    @Test
    void survivesUnmapsAtFullSpeed() throws Exception {
        AtomicBoolean stop = new AtomicBoolean();
        AtomicLong hits = new AtomicLong();
        CompletableFuture<Void> device = CompletableFuture.runAsync(() -> translateAndWrite(stop, hits));
        long begin = System.nanoTime();
        long least = TimeUnit.SECONDS.toNanos(1);
        long most = TimeUnit.SECONDS.toNanos(20);
        long cycles = 0;
        // On a busy machine it may take longer until the two meet.
        while (System.nanoTime() - begin < (hits.get() == 0 ? most : least)) {
            long iova = (cycles & 3) * PAGE;
            space.map(iova, READ | WRITE, Mapping.anonymous(PAGE));
            // A device that kept a translation over this unmap would end the process.
            if (cycles % 2 == 0) {
                space.unmap(iova, PAGE);
            } else {
                space.unmapAll();
            }
            cycles++;
        }
        stop.set(true);
        device.get(30, TimeUnit.SECONDS);
        assertThat(hits.get()).isPositive();
        assertThat(space.size()).isZero();
    }

    private void translateAndWrite(AtomicBoolean stop, AtomicLong hits) {
        try (DmaWindow window = space.openWindow()) {
            window.enter();
            for (long i = 0; !stop.get(); i++) {
                long address = window.translate((i & 3) * PAGE, PAGE, WRITE);
                if (address > 0) {
                    RawMemory.putLong(address, i);
                    RawMemory.putLong(address + PAGE - 8, i);
                    hits.incrementAndGet();
                }
                if (window.yieldRequested() || address < 0) {
                    window.leave();
                    window.enter();
                }
            }
        }
    }

    /** Until the unmap asks the window to yield: from then on it waits for that. */
    private static void awaitRequest(DmaWindow window) {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
        while (!window.yieldRequested()) {
            assertThat(System.nanoTime()).isLessThan(deadline);
            Thread.onSpinWait();
        }
    }
}
