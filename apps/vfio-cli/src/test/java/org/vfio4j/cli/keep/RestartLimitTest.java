package org.vfio4j.cli.keep;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

/** When a server is started again. */
class RestartLimitTest {

    private static final long SECOND_NS = 1_000_000_000L;

    private final RestartLimit limit = new RestartLimit(5, Duration.ofMinutes(1));

    @Test
    void firstTimeAtOnceThenLaterAndLaterThenNotAtAll() {
        assertThat(limit.ended(0)).contains(Duration.ZERO);
        assertThat(limit.ended(1)).contains(Duration.ofMillis(100));
        assertThat(limit.ended(2)).contains(Duration.ofMillis(200));
        assertThat(limit.ended(3)).contains(Duration.ofMillis(400));
        assertThat(limit.ended(4)).isEmpty();
    }

    @Test
    void whatIsLongAgoDoesNotCount() {
        for (int i = 0; i < 100; i++) {
            assertThat(limit.ended(i * 61 * SECOND_NS)).contains(Duration.ZERO);
        }
        for (int i = 0; i < 100; i++) {
            assertThat(limit.ended((10_000 + i * 16) * SECOND_NS)).isPresent();
        }
    }
}
