package org.vfio4j.cli.config;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.device.BridgePlan;
import org.vfio4j.cli.device.DevicePlan;
import org.vfio4j.cli.device.MdevParentKind;

/**
 * A machine as a file describes it, checked; nothing of it is open.
 *
 * @param options of the whole process
 * @param devices in the order in which they are plugged in: a bridge before what is behind it
 * @param parents of mdevs
 */
public record MachineConfig(Options options, List<Device> devices, List<MdevParent> parents) {

    /**
     * What {@code vfio serve} has options for.
     *
     * @param trustClient as {@code --trust-client}
     * @param vfioPci as {@code --vfio-pci}
     * @param facts as {@code --facts}
     * @param sysfs as {@code --sysfs}
     * @param sysfsFuse as {@code --sysfs-fuse}
     */
    public record Options(
            boolean trustClient,
            List<String> vfioPci,
            List<Path> facts,
            Optional<Path> sysfs,
            Optional<Path> sysfsFuse) {

        public static final Options NONE = new Options(false, List.of(), List.of(), Optional.empty(), Optional.empty());
    }

    /** One device, and where in the file it stands. */
    public sealed interface Device {
        String where();

        PciAddress address();
    }

    public record Bridge(String where, PciAddress address, BridgePlan plan) implements Device {}

    /**
     * A device of a kind.
     *
     * @param socketPath where it is served; empty for one that is not, or that says so itself
     * @param driver its driver; empty for the one that knows it best
     * @param emulatedBy the network function of the DPU that emulates it; empty for a device of its own
     * @param numVfs how many of its virtual functions are on from the start
     */
    public record Function(
            String where,
            PciAddress address,
            DevicePlan plan,
            Optional<Path> socketPath,
            Optional<String> driver,
            Optional<PciAddress> emulatedBy,
            int numVfs)
            implements Device {}

    /** A parent of mdevs, and where in the file it stands. It is nowhere on the bus. */
    public record MdevParent(String where, MdevParentKind.Plan plan) {}
}
