package org.vfio4j.userspace.vmm;

/**
 * How long the guest would stand still: what is left, over how fast things went, and the answers that have to come. Belongs to one
 * thread.
 */
final class DowntimeEstimate {

    /** Smaller rounds say little about the speed. */
    private static final long TELLING_BYTES = 1 << 20;

    /** How much the newest round counts. */
    private static final double WEIGHT = 0.5;

    /** The other side has the state and says so; it is told to go on, and says that it does. */
    private static final int ANSWERS = 2;

    /** What is sent faster than that is not worth a round. */
    private static final long LITTLE_NS = 1_000_000;

    /** By how much a round must have made less of what is left, for one more to be worth it. */
    private static final double GAIN = 0.75;

    private double bytesPerSecond;
    private boolean told;
    private long answerNs = Long.MAX_VALUE;
    private double leftBefore = Double.MAX_VALUE;

    /**
     * A round is over.
     *
     * @param bytes that it had
     * @param ns how long it took until the other side had it all
     * @param lastNs how much of that went by after the last byte was given to the socket
     */
    void round(long bytes, long ns, long lastNs) {
        double rate = bytes * 1e9 / Math.max(1, ns);
        boolean tells = bytes >= TELLING_BYTES;
        if (tells && told) {
            bytesPerSecond += WEIGHT * (rate - bytesPerSecond);
        } else if (tells || !told) {
            bytesPerSecond = rate;
        }
        told |= tells;
        answerNs = Math.min(answerNs, lastNs);
    }

    double bytesPerSecond() {
        return bytesPerSecond;
    }

    long downtimeNs(long leftBytes) {
        return (long) Math.min(Long.MAX_VALUE / 2.0, transferNs(leftBytes) + (double) ANSWERS * answerNs);
    }

    /**
     * Whether the guest would probably stand still for noticeably less time after another round: the last one had that effect. To be asked
     * once after each round. Since what is left becomes less and less, the answer is no before long.
     */
    boolean anotherRoundPays(long leftBytes) {
        boolean pays = transferNs(leftBytes) > LITTLE_NS && leftBytes <= leftBefore * GAIN;
        leftBefore = leftBytes;
        return pays;
    }

    private double transferNs(long leftBytes) {
        return leftBytes * 1e9 / Math.max(1, bytesPerSecond);
    }
}
