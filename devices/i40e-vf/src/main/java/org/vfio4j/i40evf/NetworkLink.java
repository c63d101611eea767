package org.vfio4j.i40evf;

import static org.vfio4j.sys.Errno.ENOSPC;

import java.util.Arrays;
import org.vfio4j.sys.ErrnoException;

/**
 * A wire, or a hub, within this process: a frame that one port sends goes to every other port whose function wants its
 * destination. Functions keep their port; a link needs no thread and no end. Any thread may add ports.
 */
public final class NetworkLink {

    /** The most ports that a link has. */
    public static final int MAX_PORTS = Long.SIZE;

    private volatile NetworkPort[] ports = {};

    /**
     * One more port. It is down until a function that is connected to it receives.
     *
     * @throws ErrnoException ENOSPC when there are {@link #MAX_PORTS}
     */
    public synchronized NetworkPort addPort() {
        NetworkPort[] before = ports;
        if (before.length == MAX_PORTS) {
            throw new ErrnoException(ENOSPC, "port " + before.length + " of a link: the limit is " + MAX_PORTS);
        }
        NetworkPort port = new NetworkPort(this, before.length);
        NetworkPort[] all = Arrays.copyOf(before, before.length + 1);
        all[before.length] = port;
        for (NetworkPort other : all) {
            other.growTo(all.length);
        }
        ports = all;
        return port;
    }

    /** The ports, this link's own array. */
    NetworkPort[] ports() {
        return ports;
    }
}
