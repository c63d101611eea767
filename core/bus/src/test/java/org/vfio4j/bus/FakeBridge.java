package org.vfio4j.bus;

import static org.vfio4j.uapi.PciRegs.*;

/** Makes functions of header type 1 with the bus numbers that they are told to have. */
final class FakeBridge {

    static final int VENDOR = 0x1b36;
    static final int DEVICE = 0xc;

    private static final int EXPRESS = 0x40;

    private FakeBridge() {}

    /** A port of PCI Express, by {@code PCI_EXP_TYPE_*}. */
    static FakeFunction port(int type, int primary, int secondary, int subordinate) {
        FakeFunction function = conventional(primary, secondary, subordinate);
        function.configWrite(PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
        function.configWrite(PCI_CAPABILITY_LIST, 1, EXPRESS);
        function.configWrite(EXPRESS, 2, PCI_CAP_ID_EXP);
        function.configWrite(EXPRESS + PCI_EXP_FLAGS, 2, 2 | type << 4);
        return function;
    }

    /** One to a bus of conventional PCI, without capabilities. */
    static FakeFunction conventional(int primary, int secondary, int subordinate) {
        FakeFunction function = new FakeFunction(4096);
        function.configWrite(PCI_VENDOR_ID, 2, VENDOR);
        function.configWrite(PCI_DEVICE_ID, 2, DEVICE);
        function.configWrite(PCI_CLASS_REVISION, 4, 0x06040000);
        function.configWrite(PCI_HEADER_TYPE, 1, PCI_HEADER_TYPE_BRIDGE);
        function.configWrite(PCI_SUBSYSTEM_VENDOR_ID, 4, 0);
        function.configWrite(PCI_PRIMARY_BUS, 1, primary);
        function.configWrite(PCI_SECONDARY_BUS, 1, secondary);
        function.configWrite(PCI_SUBORDINATE_BUS, 1, subordinate);
        return function;
    }

    /**
     * A switch behind a root port, as a DPU has it: 00:02.0, 05:00.0, 06:00.0 to bus 07, 06:01.0 to bus 08 and 06:02.0 to bus 09.
     */
    static void addSwitch(PciBus bus) {
        add(bus, "0000:00:02.0", port(PCI_EXP_TYPE_ROOT_PORT, 0, 5, 9));
        add(bus, "0000:05:00.0", port(PCI_EXP_TYPE_UPSTREAM, 5, 6, 9));
        add(bus, "0000:06:00.0", port(PCI_EXP_TYPE_DOWNSTREAM, 6, 7, 7));
        add(bus, "0000:06:01.0", port(PCI_EXP_TYPE_DOWNSTREAM, 6, 8, 8));
        add(bus, "0000:06:02.0", port(PCI_EXP_TYPE_DOWNSTREAM, 6, 9, 9));
    }

    static PciDevice add(PciBus bus, String address, PciFunction function) {
        return bus.add(PciAddress.parse(address), function);
    }
}
