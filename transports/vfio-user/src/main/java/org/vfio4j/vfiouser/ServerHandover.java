package org.vfio4j.vfiouser;

import java.util.List;
import org.vfio4j.sys.Fd;

/**
 * What another server, of another process as a rule, needs to go on where this one stopped: its listening socket, its client's
 * connection, memory and interrupts, and the configuration space as the client has set it up. See {@link VfioUserServer#handOver}
 * and {@link VfioUserServer#takeOver}. What is inside the device goes another way.
 *
 * @param record says what the descriptors are, and all else; begins with its version
 * @param fds owned by this object
 */
public record ServerHandover(byte[] record, List<Fd> fds) implements AutoCloseable {

    public ServerHandover {
        fds = List.copyOf(fds);
    }

    @Override
    public void close() {
        fds.forEach(Fd::close);
    }
}
