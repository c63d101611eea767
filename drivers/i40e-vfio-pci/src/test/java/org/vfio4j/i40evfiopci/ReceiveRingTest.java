package org.vfio4j.i40evfiopci;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.i40e.I40eRing;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.testkit.GuestMemory;

/** Buffers of a receive queue, from being posted to being written (Intel X710 datasheet, 8.3.2). */
class ReceiveRingTest {

    private static final int SLOTS = 4;
    private static final int DESCRIPTOR_BYTES = 32;
    private static final int PAGE = 4096;

    private final GuestMemory memory = new GuestMemory(1 << 20);
    private final GuestRings rings = new GuestRings(memory.space());
    private final PageSet dirty = new PageSet();
    private final I40eRing ring = new I40eRing(true, 0, GuestMemory.BASE, SLOTS, DESCRIPTOR_BYTES, 2048);
    private final ReceiveRing tracked = tracked();
    private int tail;

    private ReceiveRing tracked() {
        // As a ring is whose buffers were all used before.
        for (int slot = 0; slot < SLOTS; slot++) {
            complete(slot);
        }
        return new ReceiveRing(rings, dirty, ring, 0);
    }

    @AfterEach
    void close() {
        rings.close();
        memory.close();
    }

    @Test
    void aPostedBufferIsDirtyUntilTheReportAfterItsDescriptorIsDone() {
        post(page(10));
        assertThat(report()).contains(page(10));
        assertThat(report()).contains(page(10));
        complete(0);
        assertThat(report()).contains(page(10));
        assertThat(report()).isEmpty();
    }

    @Test
    void aBufferThatIsReplacedBetweenReportsIsReportedToo() {
        for (int i = 0; i < 3 * SLOTS; i++) {
            post(page(10 + i));
            complete(i % SLOTS);
        }
        List<Long> pages = report();
        for (int i = 0; i < 3 * SLOTS; i++) {
            assertThat(pages).contains(page(10 + i));
        }
    }

    @Test
    void whatWasPostedBeforeLoggingBeganIsFound() {
        RawMemory.putLong(memory.host(ring.descriptor(2)), page(77));
        RawMemory.putLong(memory.host(ring.descriptor(2)) + 8, 0);
        PageSet others = new PageSet();
        new ReceiveRing(rings, others, ring, 3).collect();
        List<Long> pages = new ArrayList<>();
        others.takeFrom(GuestMemory.BASE, memory.halfBytes(), pages::add);
        assertThat(pages).contains(page(77));
    }

    @Test
    void aRingThatCannotBeReadMakesItBlind() {
        assertThat(tracked.isBlind()).isFalse();
        I40eRing nowhere = new I40eRing(true, 0, memory.end() + PAGE, SLOTS, DESCRIPTOR_BYTES, 2048);
        assertThat(new ReceiveRing(rings, dirty, nowhere, 0).isBlind()).isTrue();
    }

    @Test
    void aTailOutsideOfTheRingPostsNothing() {
        tracked.posted(SLOTS);
        tracked.posted(-1);
        assertThat(report()).isEmpty();
    }

    private void post(long buffer) {
        long at = memory.host(ring.descriptor(tail));
        RawMemory.putLong(at, buffer);
        RawMemory.putLong(at + 8, 0);
        tail = (tail + 1) % SLOTS;
        tracked.posted(tail);
    }

    // The function writes over the address.
    private void complete(int slot) {
        long at = memory.host(ring.descriptor(slot));
        RawMemory.putLong(at, 0xdead_beefL);
        RawMemory.putLong(at + 8, 1);
    }

    private List<Long> report() {
        tracked.collect();
        List<Long> pages = new ArrayList<>();
        dirty.takeFrom(GuestMemory.BASE, memory.halfBytes(), pages::add);
        return pages;
    }

    private static long page(int number) {
        return GuestMemory.BASE + (long) number * PAGE;
    }
}
