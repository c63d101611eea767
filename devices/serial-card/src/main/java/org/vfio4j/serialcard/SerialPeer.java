package org.vfio4j.serialcard;

/**
 * What is at the other end of a port's cable. A port calls it under its own lock, from any thread: it never blocks, and calls the
 * port back only in {@link #plug}, {@link #send} and {@link #room}, or else from a thread that holds no lock of its own.
 */
public interface SerialPeer extends AutoCloseable {

    /** Nothing: what is sent is lost, and no line is raised. */
    SerialPeer NONE = new SerialPeer() {
        @Override
        public void plug(SerialPort port) {}

        @Override
        public boolean send(int value) {
            return true;
        }

        @Override
        public String toString() {
            return "none";
        }

        @Override
        public void close() {}
    };

    /** The cable is plugged in, once. */
    void plug(SerialPort port);

    /**
     * Takes a character.
     *
     * @return false when there is no room now: {@link SerialPort#drain} asks for it again
     */
    boolean send(int value);

    /** The port has room again, after it had less than it was offered. */
    default void room() {}

    /** The port's output lines. */
    default void lines(boolean dtr, boolean rts) {}

    /** The port sends a break. */
    default void sendBreak() {}

    /** The cable is pulled. Called without the port's lock. */
    @Override
    void close();
}
