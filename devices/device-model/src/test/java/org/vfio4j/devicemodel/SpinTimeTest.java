package org.vfio4j.devicemodel;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** The rule of {@code poll=adaptive}, on a clock of the test's. */
class SpinTimeTest {

    private static final long LIMIT = 40_000;
    private static final long SHORT_GAP = 3 * LIMIT;
    private static final long LONG_GAP = 10 * LIMIT;

    private final SpinTime spin = new SpinTime(new QueuePolling(LIMIT, 0, true));
    private long now = 1_000;

    @Test
    void beginsWithTheLimit() {
        assertThat(spin.goesOn(now)).isTrue();
        assertThat(spin.goesOn(now + LIMIT - 1)).isTrue();
        assertThat(spin.goesOn(now + LIMIT)).isFalse();
    }

    @Test
    void spinsForHalfOfItEachTimeThatItWasInVainAndThenNotAtAll() {
        long[] expected = {LIMIT / 2, LIMIT / 4, LIMIT / 8, 0, 0};
        for (long spinNs : expected) {
            idleFor(LONG_GAP);
            assertThat(spin.spinNs()).isEqualTo(spinNs);
        }
        assertThat(spin.goesOn(now)).as("sleeps at once").isFalse();
    }

    @Test
    void askingAgainWhileItSleepsCostsNothing() {
        spin.goesOn(now);
        for (int i = 0; i < 10; i++) {
            assertThat(spin.goesOn(now + LIMIT + i)).isFalse();
        }
        assertThat(spin.spinNs()).isEqualTo(LIMIT / 2);
    }

    @Test
    void spinsForTwiceAsLongWhenItPaidUpToTheLimit() {
        idleFor(LONG_GAP);
        idleFor(LONG_GAP);
        assertThat(spin.spinNs()).isEqualTo(LIMIT / 4);
        long[] expected = {LIMIT / 2, LIMIT, LIMIT};
        for (long spinNs : expected) {
            idleFor(LIMIT / 8);
            assertThat(spin.spinNs()).isEqualTo(spinNs);
        }
    }

    @Test
    void triesAgainWhenWorkComesSoonAfterItSleeps() {
        while (spin.spinNs() > 0) {
            idleFor(LONG_GAP);
        }
        for (int i = 0; i < 15; i++) {
            idleFor(SHORT_GAP);
            assertThat(spin.spinNs()).isZero();
        }
        idleFor(SHORT_GAP);
        assertThat(spin.spinNs()).isEqualTo(LIMIT);
        idleFor(LIMIT / 2);
        assertThat(spin.spinNs()).as("it pays: it stays").isEqualTo(LIMIT);
    }

    @Test
    void oneLongSleepBeginsTheCountAnew() {
        while (spin.spinNs() > 0) {
            idleFor(LONG_GAP);
        }
        for (int i = 0; i < 40; i++) {
            idleFor(i % 10 == 9 ? LONG_GAP : SHORT_GAP);
        }
        assertThat(spin.spinNs()).isZero();
    }

    @Test
    void aFixedTimeStays() {
        SpinTime fixed = new SpinTime(new QueuePolling(LIMIT, 0));
        for (int i = 0; i < 5; i++) {
            fixed.goesOn(now);
            assertThat(fixed.goesOn(now + LIMIT)).isFalse();
            fixed.found(now + LONG_GAP);
            now += LONG_GAP;
        }
        assertThat(fixed.spinNs()).isEqualTo(LIMIT);
    }

    /** Spins until work comes, or sleeps when it takes longer. */
    private void idleFor(long gapNs) {
        spin.goesOn(now);
        if (gapNs >= spin.spinNs()) {
            assertThat(spin.goesOn(now + spin.spinNs())).isFalse();
        }
        now += gapNs;
        assertThat(spin.isIdle()).isTrue();
        spin.found(now);
        assertThat(spin.isIdle()).isFalse();
    }
}
