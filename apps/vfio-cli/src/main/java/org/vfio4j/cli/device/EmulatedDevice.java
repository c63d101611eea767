package org.vfio4j.cli.device;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.cli.process.Closing;
import org.vfio4j.vfiolinux.LinuxPciFunction;

/**
 * A function that this process emulates, or hardware that stands in a bus of this process as one.
 *
 * @param kind as {@code virtio-blk}
 * @param says what it stands on now, see {@link #description}; any thread asks
 * @param function to be plugged into a bus
 * @param parts what closes with it, in this order
 * @param tuning what can be changed while it is used
 * @param virtuals the virtual functions that it can have, which close after it
 */
public record EmulatedDevice(
        String kind,
        Supplier<String> says,
        PciFunction function,
        List<AutoCloseable> parts,
        DeviceTuning tuning,
        List<Virtual> virtuals)
        implements AutoCloseable {

    /**
     * One of its virtual functions.
     *
     * @param address where it is while it is on
     * @param socket where it is served while it is on; empty for nowhere
     */
    public record Virtual(PciAddress address, EmulatedDevice device, Optional<Path> socket) {}

    /** A device that stays as it is. */
    public EmulatedDevice(String kind, String description, PciFunction function, List<AutoCloseable> parts) {
        this(kind, description, function, parts, DeviceTuning.NONE);
    }

    /** A device whose description stays as it is. */
    EmulatedDevice(
            String kind, String description, PciFunction function, List<AutoCloseable> parts, DeviceTuning tuning) {
        this(kind, () -> description, function, parts, tuning);
    }

    /** A device without virtual functions. */
    EmulatedDevice(
            String kind, Supplier<String> says, PciFunction function, List<AutoCloseable> parts, DeviceTuning tuning) {
        this(kind, says, function, parts, tuning, List.of());
    }

    /** Whether it is hardware, which is there once and has no state that could be taken out of it. */
    public boolean isHardware() {
        return kind.equals(PciKind.NAME);
    }

    /** Has somebody hear when the kernel wants hardware back, as {@link LinuxPciFunction#onRequest}: what is emulated nobody wants. */
    public void onRequest(Runnable action) {
        if (function instanceof LinuxPciFunction hardware) {
            hardware.onRequest(action);
        }
    }

    /** What it stands on, for people: {@code 512 MiB, memory}. */
    public String description() {
        return says.get();
    }

    /** What it stands on. */
    public List<BlockBackend> storages() {
        return parts.stream()
                .filter(BlockBackend.class::isInstance)
                .map(BlockBackend.class::cast)
                .toList();
    }

    /** The same, changed by other means. */
    public EmulatedDevice withTuning(DeviceTuning other) {
        return new EmulatedDevice(kind, says, function, parts, other, virtuals);
    }

    /** The same, which says something else of itself. */
    public EmulatedDevice withDescription(Supplier<String> other) {
        return new EmulatedDevice(kind, other, function, parts, tuning, virtuals);
    }

    /** The same with virtual functions, which are its own from now on. */
    EmulatedDevice withVirtuals(List<Virtual> functions) {
        return new EmulatedDevice(kind, says, function, parts, tuning, List.copyOf(functions));
    }

    @Override
    public void close() {
        parts.forEach(Closing::quietly);
        virtuals.forEach(virtual -> virtual.device().close());
    }
}
