package org.vfio4j.cli.machine;

import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;

/**
 * What is served at a socket and can go to another process while a client uses it: a function or a mediated device. One thread at a time calls
 * from {@link #handOver} to {@link #goOn} or {@link #leaveToOther}, and from {@link #prepare} to {@link #startTakenOver} or {@link #unprepare}.
 */
public interface Movable {

    /** The same in every process: its place on the bus, or its uuid. */
    String name();

    /** Whether it is served now. */
    boolean isServed();

    /**
     * Stops it for another process to go on with it, between two messages of its client and with no request under way. After this comes
     * {@link #goOn} or {@link #leaveToOther}: nobody else changes it meanwhile.
     *
     * @param limit how long the client may keep it busy
     * @return the caller's
     * @throws org.vfio4j.sys.ErrnoException EOPNOTSUPP when it cannot be handed over, EBUSY, ETIMEDOUT: it works as before then
     */
    MovingFunction handOver(Duration limit);

    /** Takes {@link #handOver} back. */
    void goOn();

    /** Another process has it. */
    void leaveToOther();

    /** Does for {@link #takeOver} what can be done while the other process still serves. Nothing for what cannot be served here now. */
    void prepare();

    /** Takes {@link #prepare} back, if nothing has come of it. */
    void unprepare();

    /**
     * Goes on where another process stopped. It serves nobody before {@link #startTakenOver}.
     *
     * @throws org.vfio4j.sys.ErrnoException EINVAL when it is another one, or set up otherwise
     */
    void takeOver(MovingFunction from);

    /** Works, and serves its client. */
    void startTakenOver();

    /** Does the same with all of them: one with which it fails is no reason to leave the others as they are. */
    static void each(List<Movable> devices, Consumer<Movable> what) {
        for (Movable device : devices) {
            try {
                what.accept(device);
            } catch (RuntimeException e) {
                System.getLogger(Movable.class.getName())
                        .log(System.Logger.Level.ERROR, device.name() + " does not go on as it should", e);
            }
        }
    }
}
