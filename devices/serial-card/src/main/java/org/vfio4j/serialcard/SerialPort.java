package org.vfio4j.serialcard;

/** A port as its peer sees it. Safe for all threads. */
public interface SerialPort {

    /**
     * Hands characters over.
     *
     * @return how many were taken; for the others {@link SerialPeer#room} tells when to come again
     */
    int receive(byte[] from, int at, int count);

    /** A break comes. */
    void receiveBreak();

    /** The port's input lines. */
    void lines(boolean cts, boolean dsr, boolean dcd);

    /** The peer has room: sends what waits. */
    void drain();
}
