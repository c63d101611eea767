package org.vfio4j.cli;

import java.util.List;
import java.util.function.Supplier;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.bus.PciFunction;

/**
 * A function that this process emulates.
 *
 * @param kind as {@code virtio-blk}
 * @param says what it stands on now, see {@link #description}; any thread asks
 * @param function to be plugged into a bus
 * @param parts what closes with it, in this order
 * @param tuning what can be changed while it is used
 */
record EmulatedDevice(
        String kind, Supplier<String> says, PciFunction function, List<AutoCloseable> parts, DeviceTuning tuning)
        implements AutoCloseable {

    /** A device that stays as it is. */
    EmulatedDevice(String kind, String description, PciFunction function, List<AutoCloseable> parts) {
        this(kind, description, function, parts, DeviceTuning.NONE);
    }

    /** A device whose description stays as it is. */
    EmulatedDevice(
            String kind, String description, PciFunction function, List<AutoCloseable> parts, DeviceTuning tuning) {
        this(kind, () -> description, function, parts, tuning);
    }

    /** What it stands on, for people: {@code 512 MiB, memory}. */
    String description() {
        return says.get();
    }

    /** What it stands on. */
    List<BlockBackend> storages() {
        return parts.stream()
                .filter(BlockBackend.class::isInstance)
                .map(BlockBackend.class::cast)
                .toList();
    }

    /** The same, changed by other means. */
    EmulatedDevice withTuning(DeviceTuning other) {
        return new EmulatedDevice(kind, says, function, parts, other);
    }

    @Override
    public void close() {
        parts.forEach(Closing::quietly);
    }
}
