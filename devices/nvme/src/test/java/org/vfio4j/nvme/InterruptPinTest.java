package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** When the level may go up again after a doorbell that a hypervisor takes for the end of an interrupt. */
class InterruptPinTest {

    private static final long US = 1000;

    private long nowNs = Long.MAX_VALUE - US;
    private boolean level;
    private final InterruptPin pin = new InterruptPin(up -> level = up, () -> nowNs);

    @Test
    void isUpAsLongAsSomeThreadWantsIt() {
        assertThat(pin.set(0, true)).isTrue();
        assertThat(pin.set(1, true)).isTrue();
        assertThat(pin.set(1, true)).as("nothing new").isFalse();
        pin.set(0, false);
        assertThat(level).isTrue();
        pin.set(1, false);
        assertThat(level).isFalse();
    }

    @Test
    void aHandlerComesToTheOtherQueuesByItself() {
        pin.set(0, true);
        pin.consumed(0, 1);
        assertThat(level).isFalse();
        assertThat(pin.mayAssert(0, 1)).as("a queue it has done with").isTrue();
        assertThat(pin.mayAssert(0, 2)).as("one it may still look at").isFalse();
        nowNs += 99 * US;
        assertThat(pin.mayAssert(0, 2)).isFalse();
        nowNs += US;
        assertThat(pin.mayAssert(0, 2)).isTrue();
    }

    @Test
    void aHandlerIsAboutToBeginWhereAnotherProcessorSubmits() {
        pin.set(0, true);
        assertThat(pin.submitted()).isTrue();
        assertThat(level).isFalse();
        nowNs += 1999 * US;
        assertThat(pin.mayAssert(0, 1)).isFalse();
        nowNs += US;
        assertThat(pin.mayAssert(0, 1)).as("it has not begun").isTrue();
    }

    @Test
    void itsFirstHeadEndsTheWait() {
        pin.set(0, true);
        pin.submitted();
        pin.consumed(0, 1);
        assertThat(pin.mayAssert(0, 1)).isTrue();
    }

    @Test
    void whoPollsPutsNothingOff() {
        for (int i = 0; i < 3; i++) {
            pin.consumed(0, 1);
            assertThat(pin.mayAssert(0, 2)).isTrue();
        }
    }

    @Test
    void whoSubmitsWhileNothingIsAssertedWaitsForNothing() {
        assertThat(pin.submitted()).isFalse();
        assertThat(pin.mayAssert(0, 1)).isTrue();
    }

    @Test
    void whatIsUpStaysUp() {
        pin.consumed(0, 1);
        pin.set(0, true);
        assertThat(pin.mayAssert(0, 2)).isTrue();
    }
}
