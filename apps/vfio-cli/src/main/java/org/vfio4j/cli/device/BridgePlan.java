package org.vfio4j.cli.device;

import java.util.List;
import java.util.Optional;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.devicemodel.EmulatedBridge;

/**
 * A bridge to be plugged in.
 *
 * @param port {@link #ROOT}, {@link #UPSTREAM} or {@link #DOWNSTREAM}
 * @param vendorId as drivers and {@code lspci} see it
 * @param deviceId likewise
 * @param secondaryBus the bus right behind it
 * @param subordinateBus the last bus behind it
 */
public record BridgePlan(String port, int vendorId, int deviceId, int secondaryBus, int subordinateBus) {

    public static final String ROOT = "root-port";
    public static final String UPSTREAM = "upstream-port";
    public static final String DOWNSTREAM = "downstream-port";

    public static final List<String> PORTS = List.of(ROOT, UPSTREAM, DOWNSTREAM);

    /** QEMU's generic root port, and the ports of a switch by Texas Instruments, as QEMU has them. */
    public static String defaultId(String port) {
        return switch (port) {
            case ROOT -> "1b36:000c";
            case UPSTREAM -> "104c:8232";
            default -> "104c:8233";
        };
    }

    /** Which port a word means; empty when none. */
    public static Optional<EmulatedBridge.Port> portOf(String port) {
        return switch (port) {
            case ROOT -> Optional.of(EmulatedBridge.Port.ROOT);
            case UPSTREAM -> Optional.of(EmulatedBridge.Port.UPSTREAM);
            case DOWNSTREAM -> Optional.of(EmulatedBridge.Port.DOWNSTREAM);
            default -> Optional.empty();
        };
    }

    public EmulatedBridge open(PciAddress address) {
        return new EmulatedBridge(
                vendorId,
                deviceId,
                portOf(port).orElseThrow(),
                new EmulatedBridge.Buses(address.bus(), secondaryBus, subordinateBus));
    }
}
