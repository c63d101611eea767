package org.vfio4j.serialcard;

import org.jspecify.annotations.Nullable;

/**
 * A plug that joins a port's outputs to its own inputs: what is sent comes back, RTS is CTS, and DTR is DSR and DCD. What the port has no
 * room for stays in its transmitter: no clock gives a driver the time to read between two characters, and Linux's sends without
 * reading first where it mistrusts a UART's interrupts. Under the port's lock.
 */
public final class LoopbackPlug implements SerialPeer {

    private final byte[] character = new byte[1];
    private @Nullable SerialPort port;

    @Override
    public void plug(SerialPort plugged) {
        port = plugged;
    }

    @Override
    public boolean send(int value) {
        SerialPort own = port;
        character[0] = (byte) value;
        return own == null || own.receive(character, 0, 1) == 1;
    }

    @Override
    public void room() {
        SerialPort own = port;
        if (own != null) {
            own.drain();
        }
    }

    @Override
    public void lines(boolean dtr, boolean rts) {
        SerialPort own = port;
        if (own != null) {
            own.lines(rts, dtr, dtr);
        }
    }

    @Override
    public void sendBreak() {
        SerialPort own = port;
        if (own != null) {
            own.receiveBreak();
        }
    }

    @Override
    public void close() {}

    @Override
    public String toString() {
        return "loopback";
    }
}
