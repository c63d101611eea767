package org.vfio4j.devicemodel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Rates on a clock of the test's: exact, whatever the clock does between. */
class DeviceLimitsTest {

    private static final long SECOND = 1_000_000_000;
    private static final long BURST = DeviceLimits.BURST.toNanos();

    private long now = Long.MAX_VALUE - 3 * SECOND; // nanoTime may well wrap around
    private final DeviceLimits limits = new DeviceLimits(() -> now);

    @Test
    void withoutLimitsNothingWaits() {
        assertThat(limits.isSet()).isFalse();
        limits.charge(1L << 40);
        assertThat(limits.waitNs()).isZero();
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 7, 1_000, 33_333, 300_000, 3_000_000, 7_777_777})
    void requestsAreExactToOne(long iops) {
        limits.set(iops, 0);
        long taken = takeFor(10 * SECOND, 4096, SECOND / 7);
        assertThat(taken).isCloseTo(10 * iops, within(2 + iops / 1_000));
    }

    @ParameterizedTest
    @ValueSource(longs = {4096, 1 << 20, 100_000_000, 3L << 30, 20L << 30})
    void bytesAreExactToOneRequest(long bandwidth) {
        limits.set(0, bandwidth);
        int request = 1 << 16;
        long taken = takeFor(20 * SECOND, request, SECOND);
        assertThat(taken * request).isCloseTo(20 * bandwidth, within(2L * request + bandwidth / 1000));
    }

    @Test
    void theTighterOfBothHolds() {
        limits.set(1_000, 1 << 20);
        assertThat(takeFor(SECOND, 512, SECOND)).isCloseTo(1_000, within(1L));
        limits.set(1_000, 1 << 20);
        assertThat(takeFor(SECOND, 1 << 16, SECOND)).isCloseTo(16, within(1L));
    }

    @Test
    void oneRequestMayBeLargerThanASecondAndIsPaidAfterwards() {
        limits.set(0, 1_000_000);
        assertThat(limits.waitNs()).isZero();
        limits.charge(5_000_000);
        assertThat(limits.waitNs()).isEqualTo(5 * SECOND);
        now += 4 * SECOND;
        assertThat(limits.waitNs()).isEqualTo(SECOND);
        now += SECOND;
        assertThat(limits.waitNs()).isZero();
    }

    @Test
    void anIdleDeviceSavesUpABurstAndNoMore() {
        limits.set(1_000, 0);
        now += 3600 * SECOND;
        int taken = 0;
        while (limits.waitNs() == 0) {
            limits.charge(0);
            taken++;
        }
        assertThat(taken).isEqualTo((int) (1_000 * BURST / SECOND) + 1);
    }

    /** Who wakes up late, but within the burst, loses nothing. */
    @Test
    void wakingUpLateIsMadeGood() {
        limits.set(10_000, 0);
        long end = now + 10 * SECOND;
        long taken = 0;
        while (now - end < 0) {
            while (limits.waitNs() == 0) {
                limits.charge(0);
                taken++;
            }
            now += limits.waitNs() + BURST / 2;
        }
        assertThat(taken).isCloseTo(100_000, within(1_000L));
    }

    @Test
    void aNewLimitForgivesOldDebts() {
        limits.set(0, 1);
        limits.charge(1 << 30);
        assertThat(limits.waitNs()).isGreaterThan(SECOND);
        limits.set(100, 0);
        assertThat(limits.waitNs()).isZero();
        limits.charge(1 << 30);
        assertThat(limits.waitNs()).isEqualTo(SECOND / 100);
        limits.set(0, 0);
        assertThat(limits.isSet()).isFalse();
        assertThat(limits.waitNs()).isZero();
    }

    @Test
    void theLargestRequestAtTheLowestRateDoesNotOverflow() {
        limits.set(1, 1);
        for (int i = 0; i < 8; i++) {
            limits.charge(Long.MAX_VALUE);
        }
        assertThat(limits.waitNs()).isGreaterThan(1_000_000 * SECOND);
    }

    @Test
    void refusesLessThanNothing() {
        assertThatThrownBy(() -> limits.set(-1, 0))
                .hasMessage("limits of -1 requests and 0 bytes in a second: EINVAL (Invalid argument)");
        assertThatThrownBy(() -> limits.set(0, -5)).hasMessageContaining("EINVAL");
    }

    /** Four threads share one limit: none of what they take is lost. */
    @Test
    void threadsShareALimit() throws InterruptedException {
        DeviceLimits shared = new DeviceLimits(() -> 0);
        shared.set(1_000_000, 0);
        Thread[] threads = new Thread[4];
        for (int i = 0; i < threads.length; i++) {
            threads[i] = Thread.ofPlatform().start(() -> {
                for (int k = 0; k < 25_000; k++) {
                    shared.charge(0);
                }
            });
        }
        for (Thread thread : threads) {
            thread.join();
        }
        // Of 100,000 requests those that the burst did not pay are owed: nothing had been saved up.
        assertThat(shared.waitNs()).isEqualTo(SECOND / 10);
    }

    private long takeFor(long timeNs, int bytes, long stepNs) {
        long end = now + timeNs;
        long taken = 0;
        while (now - end < 0) {
            long waitNs = limits.waitNs();
            if (waitNs == 0) {
                limits.charge(bytes);
                taken++;
            } else {
                now += Math.min(waitNs, Math.min(stepNs, end - now));
            }
        }
        return taken;
    }
}
