package org.vfio4j.nvme;

import static org.vfio4j.devicemodel.QueueWork.LATER;
import static org.vfio4j.sys.Errno.ECANCELED;
import static org.vfio4j.sys.Errno.ENOTCONN;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;

/**
 * Looks for queues whose memory is not there. While nobody has rung, the driver may still be about to map it: nothing to do. A driver that did
 * ring gets a while, in which memory that is being mapped anew comes back. Belongs to the queue thread.
 */
final class RingSearch {

    private static final Logger LOG = System.getLogger(RingSearch.class.getName());

    /** How often a queue is looked for that has commands but whose memory is not there: for about 0.1 s. */
    private static final int TRIES = 100;

    private final String name;
    private final Lane lane;
    private final boolean pollsAlways;
    private final boolean trapped;

    private volatile boolean knocked;
    private boolean lost;
    private boolean cutShort;
    private boolean wanted;
    private int triesLeft = TRIES;

    /**
     * @param pollsAlways whether the thread polls for ever
     * @param trapped whether a driver's doorbells always wake the thread
     */
    RingSearch(String name, Lane lane, boolean pollsAlways, boolean trapped) {
        this.name = name;
        this.lane = lane;
        this.pollsAlways = pollsAlways;
        this.trapped = trapped;
    }

    /** A doorbell was rung in a way that was seen. From any thread. */
    void doorbellRung() {
        knocked = true;
    }

    /** All queues are looked at from now on. */
    void begin() {
        if (knocked) {
            knocked = false;
            wanted = true;
        }
        lost = false;
        cutShort = false;
    }

    /** Something was not there. */
    void lose() {
        lost = true;
    }

    /**
     * The same, by a message.
     *
     * @param error a negative errno, or 0
     */
    void lose(int error) {
        cutShort |= error == -ECANCELED || error == -ENOTCONN;
        lost = true;
    }

    /** Whether something was not there since {@link #begin}. */
    boolean isLost() {
        return lost;
    }

    /** Everything was there, or nobody looks any more. */
    void end() {
        wanted = false;
        triesLeft = TRIES;
    }

    /**
     * Behind a look that has lost something.
     *
     * @param did what else it has done
     * @return what its thread does now, as of {@link org.vfio4j.devicemodel.QueueWork#poll}
     */
    int goOn(int did, int inFlight) {
        // What is in flight is not waited for: its completion brings the next look.
        if (did != 0 || inFlight != 0) {
            return did;
        }
        // Cut short: whoever did that is about to take the memory away or to reset the device. With shadow doorbells
        // nobody may ring.
        if (pollsAlways || cutShort || lane.shadow.isConfigured()) {
            return LATER;
        }
        if (!wanted) {
            // Nor with mapped ones; and memory that is mapped now shows once the window was left.
            return trapped ? 0 : LATER;
        }
        if (--triesLeft > 0) {
            return LATER;
        }
        LOG.log(Level.DEBUG, "{0}: queue memory that is not mapped", name);
        end();
        lane.controller().fatal(lane);
        return 0;
    }
}
