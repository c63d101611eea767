package org.vfio4j.userspace.vmm;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class DowntimeEstimateTest {

    private static final long MS = 1_000_000;
    private static final long GB = 1_000_000_000;

    private final DowntimeEstimate estimate = new DowntimeEstimate();

    @Test
    void isWhatIsLeftOverTheSpeedAndTwoAnswers() {
        estimate.round(GB, 1000 * MS, MS);
        assertThat(estimate.downtimeNs(GB / 100)).isEqualTo(12 * MS);
    }

    @Test
    void smallRoundsDoNotChangeTheSpeed() {
        estimate.round(GB, 1000 * MS, 0);
        estimate.round(4096, 10 * MS, 0);
        assertThat(estimate.bytesPerSecond()).isEqualTo(1e9);
    }

    @Test
    void aSmallRoundIsBetterThanNone() {
        estimate.round(1000, MS, 0);
        assertThat(estimate.bytesPerSecond()).isEqualTo(1e6);
        estimate.round(GB, 1000 * MS, 0);
        assertThat(estimate.bytesPerSecond()).isEqualTo(1e9);
    }

    @Test
    void anotherRoundPaysAsLongAsLessIsLeftAfterEach() {
        estimate.round(GB, 1000 * MS, 0);
        assertThat(estimate.anotherRoundPays(GB / 10)).as("the first").isTrue();
        assertThat(estimate.anotherRoundPays(GB / 20)).as("half of that").isTrue();
        assertThat(estimate.anotherRoundPays(GB / 21)).as("hardly less").isFalse();
        assertThat(estimate.anotherRoundPays(GB / 40)).as("less again").isTrue();
        assertThat(estimate.anotherRoundPays(GB / 2000))
                .as("nothing to speak of")
                .isFalse();
    }

    @Test
    void aStandingLinkIsForEver() {
        estimate.round(0, 1000 * MS, 0);
        assertThat(estimate.downtimeNs(Long.MAX_VALUE)).isGreaterThan(Long.MAX_VALUE / 4);
    }
}
