package org.vfio4j.vfiouser;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;

/**
 * Log lines that a peer's mistakes cause: a few in each interval, so that a hostile peer cannot fill a disk. One for each
 * server; the loop and a worker may write at once.
 */
final class PeerLog {

    private static final Logger LOG = System.getLogger(PeerLog.class.getName());
    private static final long INTERVAL_NS = 10_000_000_000L;
    private static final int LINES = 5;

    private final String name;
    private long intervalStart = System.nanoTime();
    private int written;
    private long dropped;
    private int defects;

    /** @param name what the lines begin with */
    PeerLog(String name) {
        this.name = name;
    }

    synchronized void warn(String what) {
        long now = System.nanoTime();
        if (now - intervalStart >= INTERVAL_NS) {
            if (dropped > 0) {
                LOG.log(Level.WARNING, "{0}: {1} more lines were left out", name, dropped);
            }
            intervalStart = now;
            written = 0;
            dropped = 0;
        }
        if (written == LINES) {
            dropped++;
            return;
        }
        written++;
        LOG.log(Level.WARNING, "{0}: {1}", name, what);
    }

    /** A failure that is this program's and not the peer's: with its trace, and not left out because the peer is noisy. */
    void defect(String what, Throwable cause) {
        if (defects < LINES) {
            defects++;
            LOG.log(Level.ERROR, name + ": " + what, cause);
        }
    }
}
