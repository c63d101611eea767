package org.vfio4j.bus;

import static org.vfio4j.uapi.PciRegs.*;

import java.util.Optional;

/**
 * What a bridge leads to: the buses behind it, whose numbers its function tells, and the addresses that it forwards to them, which
 * the bus gives it as firmware does (PCI-to-PCI Bridge 1.2, 3.2.5). Any thread reads.
 */
public final class PciBridge {

    private final int portType;
    private final int primaryBus;
    private final int secondaryBus;
    private final int subordinateBus;
    private final BarAllocator windows;

    private PciBridge(PciFunction function, BarAllocator windows) {
        portType = portType(function);
        primaryBus = function.configRead(PCI_PRIMARY_BUS, 1);
        secondaryBus = function.configRead(PCI_SECONDARY_BUS, 1);
        subordinateBus = function.configRead(PCI_SUBORDINATE_BUS, 1);
        this.windows = windows;
    }

    static boolean is(PciFunction function) {
        return (function.configRead(PCI_HEADER_TYPE, 1) & PCI_HEADER_TYPE_MASK) == PCI_HEADER_TYPE_BRIDGE;
    }

    /** A bridge as its function describes it. */
    static PciBridge of(PciFunction function, BarAllocator windows) {
        return new PciBridge(function, windows);
    }

    /** {@code PCI_EXP_TYPE_*}; {@link org.vfio4j.uapi.PciRegs#PCI_EXP_TYPE_PCI_BRIDGE} for one without a PCI Express capability. */
    public int portType() {
        return portType;
    }

    /** The bus that it sits on. */
    public int primaryBus() {
        return primaryBus;
    }

    /** The bus right behind it. */
    public int secondaryBus() {
        return secondaryBus;
    }

    /** The last of the buses behind it. */
    public int subordinateBus() {
        return subordinateBus;
    }

    /** Whether a bus is behind it, directly or behind another bridge. */
    public boolean leadsTo(int bus) {
        return bus >= secondaryBus && bus <= subordinateBus;
    }

    /** Whether the bus behind it is a link of PCI Express, which has one device only. */
    boolean isPort() {
        return portType == PCI_EXP_TYPE_ROOT_PORT || portType == PCI_EXP_TYPE_DOWNSTREAM;
    }

    boolean overlaps(PciBridge other) {
        return secondaryBus <= other.subordinateBus && other.secondaryBus <= subordinateBus;
    }

    /** What the BARs of functions behind it are placed in. */
    BarAllocator windows() {
        return windows;
    }

    /** Has the function forward its windows, and pass on what functions behind it master. */
    void open(PciFunction function) {
        AddressWindow mem32 = windows.mem32();
        AddressWindow mem64 = windows.mem64();
        // A base above its limit forwards nothing.
        function.configWrite(PCI_IO_BASE, 1, 0xf0);
        function.configWrite(PCI_IO_LIMIT, 1, 0);
        function.configWrite(PCI_MEMORY_BASE, 2, mem32.isEmpty() ? 0xfff0 : (int) (mem32.start() >>> 16));
        function.configWrite(PCI_MEMORY_LIMIT, 2, mem32.isEmpty() ? 0 : (int) (mem32.limit() - 1 >>> 16));
        function.configWrite(PCI_PREF_MEMORY_BASE, 2, mem64.isEmpty() ? 0xfff0 : (int) (mem64.start() >>> 16));
        function.configWrite(PCI_PREF_BASE_UPPER32, 4, (int) (mem64.start() >>> 32));
        function.configWrite(PCI_PREF_MEMORY_LIMIT, 2, mem64.isEmpty() ? 0 : (int) (mem64.limit() - 1 >>> 16));
        function.configWrite(
                PCI_PREF_LIMIT_UPPER32, 4, mem64.isEmpty() ? 0 : (int) (mem64.limit() - 1 >>> 32));
        int command = function.configRead(PCI_COMMAND, 2);
        function.configWrite(PCI_COMMAND, 2, command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    }

    private static int portType(PciFunction function) {
        return expressFlags(function)
                .map(flags -> (flags & PCI_EXP_FLAGS_TYPE) >>> 4)
                .orElse(PCI_EXP_TYPE_PCI_BRIDGE);
    }

    private static Optional<Integer> expressFlags(PciFunction function) {
        int at = function.configRead(PCI_CAPABILITY_LIST, 1) & ~3;
        // A list has no more members than fit behind the header; one that goes round ends here.
        for (int seen = 0; at >= PCI_STD_HEADER_SIZEOF && seen < PCI_CFG_SPACE_SIZE / Integer.BYTES; seen++) {
            if (function.configRead(at, 1) == PCI_CAP_ID_EXP) {
                return Optional.of(function.configRead(at + PCI_EXP_FLAGS, 2));
            }
            at = function.configRead(at + 1, 1) & ~3;
        }
        return Optional.empty();
    }
}
