package org.vfio4j.cli.machine;

import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.vfio4j.bus.AuxiliaryDevice;
import org.vfio4j.bus.AuxiliaryDriver;
import org.vfio4j.bus.BusDevice;
import org.vfio4j.bus.FunctionPart;
import org.vfio4j.bus.PciBridge;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.cli.device.BridgePlan;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.uapi.PciRegs;

/** What others are told of a machine's buses, its functions apart. */
public final class MachineState {

    private MachineState() {}

    public static List<ServerState.Bridge> bridges(PciBus bus) {
        return bus.devices().stream()
                .flatMap(device -> device.bridge().map(bridge -> bridge(device, bridge)).stream())
                .toList();
    }

    public static List<ServerState.Auxiliary> auxiliary(PciBus bus) {
        return bus.auxiliary().devices().stream().map(MachineState::auxiliary).toList();
    }

    public static ServerState.Auxiliary auxiliary(AuxiliaryDevice device) {
        return new ServerState.Auxiliary(
                device.name(),
                device.parent().map(BusDevice::name).orElse(""),
                device.driver().map(AuxiliaryDriver::name).orElse(""),
                functionOf(device).map(PciDevice::name).orElse(""));
    }

    /** The function that an auxiliary device is about. */
    public static Optional<PciDevice> functionOf(AuxiliaryDevice device) {
        return device.findData(FunctionPart.class).map(FunctionPart::function);
    }

    /** Vendor and device, as {@code 1af4:1042}. */
    static String id(PciDevice device) {
        return String.format(
                Locale.ROOT,
                "%04x:%04x",
                device.function().configRead(PciRegs.PCI_VENDOR_ID, 2),
                device.function().configRead(PciRegs.PCI_DEVICE_ID, 2));
    }

    private static ServerState.Bridge bridge(PciDevice device, PciBridge bridge) {
        String port = switch (bridge.portType()) {
            case PciRegs.PCI_EXP_TYPE_ROOT_PORT -> BridgePlan.ROOT;
            case PciRegs.PCI_EXP_TYPE_UPSTREAM -> BridgePlan.UPSTREAM;
            case PciRegs.PCI_EXP_TYPE_DOWNSTREAM -> BridgePlan.DOWNSTREAM;
            default -> "bridge";
        };
        return new ServerState.Bridge(
                device.name(),
                id(device),
                port,
                bridge.secondaryBus(),
                bridge.subordinateBus(),
                device.parent().map(BusDevice::name).orElse(""));
    }
}
