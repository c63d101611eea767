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

    private double bytesPerSecond;
    private boolean told;
    private long answerNs = Long.MAX_VALUE;

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
        double transferNs = leftBytes * 1e9 / Math.max(1, bytesPerSecond);
        return (long) Math.min(Long.MAX_VALUE / 2.0, transferNs + (double) ANSWERS * answerNs);
    }
}
