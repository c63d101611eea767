package org.vfio4j.serialcard;

import org.jspecify.annotations.Nullable;

/**
 * A plug that joins a port's outputs to its own inputs: what is sent comes back, RTS is CTS, and DTR is DSR and DCD. As there is no
 * other side to wait for, what the port has no room for is an overrun. Under the port's lock.
 */
public final class LoopbackPlug implements SerialPeer {

    private @Nullable SerialPort port;

    @Override
    public void plug(SerialPort plugged) {
        port = plugged;
    }

    @Override
    public boolean send(int value) {
        SerialPort own = port;
        if (own != null) {
            own.receiveAnyway(value);
        }
        return true;
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
