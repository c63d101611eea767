package org.vfio4j.cli;

import java.util.List;
import org.vfio4j.bus.PciFunction;

/**
 * A function that this process emulates.
 *
 * @param kind as {@code virtio-blk}
 * @param description what it stands on, for people: {@code 512 MiB, memory}
 * @param function to be plugged into a bus
 * @param parts what closes with it, in this order
 */
record EmulatedDevice(String kind, String description, PciFunction function, List<AutoCloseable> parts)
        implements AutoCloseable {

    @Override
    public void close() {
        parts.forEach(Closing::quietly);
    }
}
