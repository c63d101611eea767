package org.vfio4j.devicemodel;

import static org.vfio4j.uapi.PciRegs.*;

import java.util.List;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;

/**
 * A port of a root complex or of a switch: a PCI-to-PCI bridge as software sees it, with a header of type 1 (PCI-to-PCI Bridge 1.2,
 * 3.2) and a PCI Express capability. It has no BARs, no interrupts and no DMA of its own, and forwards nothing: a machine's functions
 * are called, not reached through it. Belongs to the thread that accesses it.
 */
public final class EmulatedBridge implements PciFunction {

    private static final int CLASS_BRIDGE_PCI = 0x0604;
    private static final int STATUS_ERRORS = 0xf900;

    /** The windows that it forwards: the low four bits of these registers tell their width. */
    private static final int WINDOW = 0xfff0;

    /** What it is, by {@code PCI_EXP_TYPE_*}. */
    public enum Port {
        ROOT(PCI_EXP_TYPE_ROOT_PORT),
        UPSTREAM(PCI_EXP_TYPE_UPSTREAM),
        DOWNSTREAM(PCI_EXP_TYPE_DOWNSTREAM);

        private final int type;

        Port(int type) {
            this.type = type;
        }
    }

    /**
     * The buses on its two sides. Firmware sets them before anybody looks, and nobody sets them anew: they are read-only here.
     *
     * @param primary the bus that it sits on
     * @param secondary the bus right behind it
     * @param subordinate the last bus behind it
     */
    public record Buses(int primary, int secondary, int subordinate) {}

    private final RegisterSet config;

    public EmulatedBridge(int vendorId, int deviceId, Port port, Buses buses) {
        ConfigSpaceLayout layout = new ConfigSpaceLayout();
        List.of(
                        Register.at(PCI_VENDOR_ID, 2, "vendor id").reset(vendorId),
                        Register.at(PCI_DEVICE_ID, 2, "device id").reset(deviceId),
                        Register.at(PCI_COMMAND, 2, "command")
                                .writable(PCI_COMMAND_IO
                                        | PCI_COMMAND_MEMORY
                                        | PCI_COMMAND_MASTER
                                        | PCI_COMMAND_PARITY
                                        | PCI_COMMAND_SERR
                                        | PCI_COMMAND_INTX_DISABLE),
                        Register.at(PCI_STATUS, 2, "status")
                                .reset(PCI_STATUS_CAP_LIST)
                                .writeOneToClear(STATUS_ERRORS),
                        Register.at(PCI_CLASS_DEVICE, 2, "class").reset(CLASS_BRIDGE_PCI),
                        Register.at(PCI_CACHE_LINE_SIZE, 1, "cache line size").writable(),
                        Register.at(PCI_HEADER_TYPE, 1, "header type").reset(PCI_HEADER_TYPE_BRIDGE),
                        Register.at(PCI_PRIMARY_BUS, 1, "primary bus").reset(buses.primary()),
                        Register.at(PCI_SECONDARY_BUS, 1, "secondary bus").reset(buses.secondary()),
                        Register.at(PCI_SUBORDINATE_BUS, 1, "subordinate bus").reset(buses.subordinate()),
                        Register.at(PCI_IO_BASE, 1, "I/O base").writable(0xf0),
                        Register.at(PCI_IO_LIMIT, 1, "I/O limit").writable(0xf0),
                        Register.at(PCI_SEC_STATUS, 2, "secondary status").writeOneToClear(STATUS_ERRORS),
                        Register.at(PCI_MEMORY_BASE, 2, "memory base").writable(WINDOW),
                        Register.at(PCI_MEMORY_LIMIT, 2, "memory limit").writable(WINDOW),
                        Register.at(PCI_PREF_MEMORY_BASE, 2, "prefetchable base")
                                .reset(PCI_PREF_RANGE_TYPE_64)
                                .writable(WINDOW),
                        Register.at(PCI_PREF_MEMORY_LIMIT, 2, "prefetchable limit")
                                .reset(PCI_PREF_RANGE_TYPE_64)
                                .writable(WINDOW),
                        Register.at(PCI_PREF_BASE_UPPER32, 4, "prefetchable base, upper half")
                                .writable(),
                        Register.at(PCI_PREF_LIMIT_UPPER32, 4, "prefetchable limit, upper half")
                                .writable(),
                        Register.at(PCI_INTERRUPT_LINE, 1, "interrupt line").writable(),
                        Register.at(PCI_BRIDGE_CONTROL, 2, "bridge control")
                                .writable(PCI_BRIDGE_CTL_PARITY | PCI_BRIDGE_CTL_SERR))
                .forEach(layout::add);
        layout.addCapabilities(List.of(Capability.powerManagement(), Capability.pciExpressPort(port.type)));
        config = layout.build();
    }

    @Override
    public int configSize() {
        return config.sizeBytes();
    }

    @Override
    public int configRead(int offset, int width) {
        return (int) config.read(offset, width);
    }

    @Override
    public void configWrite(int offset, int width, int value) {
        config.write(offset, width, value);
    }

    @Override
    public List<PciBar> bars() {
        return List.of();
    }

    @Override
    public long barRead(int bar, long offset, int width) {
        throw new IllegalArgumentException("BAR " + bar + ": a bridge has none");
    }

    @Override
    public void barWrite(int bar, long offset, int width, long value) {
        throw new IllegalArgumentException("BAR " + bar + ": a bridge has none");
    }

    @Override
    public void connectIrqs(IrqSink sink) {}

    @Override
    public void attachDma(DmaSpace space) {}

    @Override
    public void detachDma() {}

    @Override
    public void reset() {
        config.reset();
    }
}
