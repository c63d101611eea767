package org.vfio4j.cli.keep;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Optional;

/** How often a server that dies is started again, and how soon. One thread. */
public final class RestartLimit {

    private static final Duration FIRST_PAUSE = Duration.ofMillis(100);

    private final int most;
    private final Duration period;
    private final ArrayDeque<Long> ends = new ArrayDeque<>();

    /**
     * @param most so many ends are too many
     * @param period within this time
     */
    public RestartLimit(int most, Duration period) {
        this.most = most;
        this.period = period;
    }

    /**
     * A server has ended.
     *
     * @param nowNs {@code System.nanoTime}
     * @return how long to wait before the next one; empty when there is to be none
     */
    Optional<Duration> ended(long nowNs) {
        while (!ends.isEmpty() && nowNs - ends.peek() > period.toNanos()) {
            ends.remove();
        }
        ends.add(nowNs);
        if (ends.size() >= most) {
            return Optional.empty();
        }
        // The first one at once: clients wait.
        return Optional.of(ends.size() == 1 ? Duration.ZERO : FIRST_PAUSE.multipliedBy(1L << (ends.size() - 2)));
    }

    @Override
    public String toString() {
        return most + " times within " + period.toSeconds() + " s";
    }
}
