package org.vfio4j.mtty;

import static org.vfio4j.sys.Errno.EINVAL;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import org.vfio4j.mdevcore.MdevAttribute;
import org.vfio4j.serialcard.LoopbackPlug;
import org.vfio4j.serialcard.SerialCard;
import org.vfio4j.serialcard.SerialPeer;
import org.vfio4j.serialcard.SerialSockets;
import org.vfio4j.sys.ErrnoException;

/**
 * What is at the other end of a port's cable: {@code loopback}, {@code none}, or {@code unix:PATH}, a socket at which people and
 * programs attach. It can be changed at any time, as a cable can be pulled.
 */
record PeerAttribute(SerialCard card, int port, SerialSockets sockets) implements MdevAttribute {

    private static final String UNIX = "unix:";

    @Override
    public String show() {
        return card.peer(port).toString();
    }

    /** {@inheritDoc} What a socket's path is refused with, too. */
    @Override
    public void store(String value) {
        if (!value.equals(show())) {
            card.plug(port, peer(value));
        }
    }

    private SerialPeer peer(String value) {
        if (value.equals("loopback")) {
            return new LoopbackPlug();
        }
        if (value.equals("none")) {
            return SerialPeer.NONE;
        }
        if (value.startsWith(UNIX) && value.length() > UNIX.length()) {
            return sockets.listen(path(value.substring(UNIX.length())));
        }
        throw new ErrnoException(
                EINVAL, "peer of port " + port + " '" + value + "': there is loopback, none and " + UNIX + "PATH");
    }

    // The path means something to others, who are elsewhere.
    private static Path path(String text) {
        try {
            Path path = Path.of(text);
            if (path.isAbsolute()) {
                return path;
            }
        } catch (InvalidPathException e) {
            throw new ErrnoException(EINVAL, "peer " + UNIX + text + ": " + e.getReason());
        }
        throw new ErrnoException(EINVAL, "peer " + UNIX + text + ": an absolute path is needed");
    }
}
