package org.vfio4j.bus;

import java.util.List;
import java.util.Optional;

/**
 * A function and its place on a bus: {@code struct pci_dev}. The bus changes it, under its {@link DeviceLock}; any thread reads.
 */
public final class PciDevice implements BusDevice {

    /**
     * Addresses that the bus gave a BAR.
     *
     * @param bar the register
     * @param start first address
     */
    public record Resource(PciBar bar, long start) {
        /** The last address. */
        public long end() {
            return start + bar.sizeBytes() - 1;
        }
    }

    private final PciBus bus;
    private final PciAddress address;
    private final PciFunction hardware;
    private final PciFunction function;
    private final List<Resource> resources;
    private final Optional<PciSriov> sriov;
    private final Optional<PciDevice> physicalFunction;
    private final Optional<PciDevice> upstream;
    private final Optional<PciBridge> bridge;
    private final int virtualIndex;
    private final DriverSlot<LoadedDriver> slot = new DriverSlot<>();

    private volatile Optional<String> driverOverride = Optional.empty();

    private PciDevice(
            PciBus bus,
            PciAddress address,
            PciFunction hardware,
            PciFunction function,
            List<Resource> resources,
            Optional<PciSriov> sriov,
            Optional<PciDevice> physicalFunction,
            Optional<PciDevice> upstream,
            Optional<PciBridge> bridge,
            int virtualIndex) {
        this.bus = bus;
        this.address = address;
        this.hardware = hardware;
        this.function = new ObservedFunction(function, this::reset, () -> bus.configWritten(this));
        this.resources = List.copyOf(resources);
        this.sriov = sriov;
        this.physicalFunction = physicalFunction;
        this.upstream = upstream;
        this.bridge = bridge;
        this.virtualIndex = virtualIndex;
    }

    /** A function that is there by itself, behind {@code upstream} or on a root bus. */
    static PciDevice of(
            PciBus bus,
            PciAddress address,
            PciFunction hardware,
            List<Resource> resources,
            Optional<PciDevice> upstream,
            Optional<PciBridge> bridge) {
        Optional<PciSriov> sriov = PciSriov.find(address, hardware);
        return new PciDevice(bus, address, hardware, hardware, resources, sriov, Optional.empty(), upstream, bridge, 0);
    }

    /** Virtual function {@code index} of {@code physical}, whose SR-IOV is enabled. */
    static PciDevice virtual(PciDevice physical, int index, PciFunction hardware) {
        PciSriov sriov = physical.sriov.orElseThrow();
        List<Resource> resources = sriov.resources(index);
        VirtualFunction function = new VirtualFunction(hardware, sriov, resources);
        return new PciDevice(
                physical.bus,
                sriov.address(index),
                hardware,
                function,
                resources,
                Optional.empty(),
                Optional.of(physical),
                physical.upstream,
                Optional.empty(),
                index);
    }

    public PciBus bus() {
        return bus;
    }

    public PciAddress address() {
        return address;
    }

    /**
     * The function. What its driver writes to its configuration space is told to the bus's listeners. What a virtual function
     * does not implement, ids and BARs, reads as the bus knows it.
     */
    public PciFunction function() {
        return function;
    }

    /**
     * Looks at the configuration space as the function itself has it, of a virtual function too, whose ids read as 0xffff then: what
     * {@code config} in /sys shows. Arguments as for {@link PciFunction#configPeek}.
     */
    public int configPeek(int offset, int width) {
        return hardware.configPeek(offset, width);
    }

    /** What its BARs decode, by ascending index. */
    public List<Resource> resources() {
        return resources;
    }

    /** Its virtual functions, for a physical function that can have some. */
    public Optional<PciSriov> sriov() {
        return sriov;
    }

    /** The physical function that this virtual one belongs to. */
    public Optional<PciDevice> physicalFunction() {
        return physicalFunction;
    }

    /** The bridge that it sits behind, if it does; a virtual function where its physical one does. */
    public Optional<PciDevice> upstream() {
        return upstream;
    }

    /** What it leads to, when it is a bridge. */
    public Optional<PciBridge> bridge() {
        return bridge;
    }

    /** The only driver that may have it, when one is named. */
    public Optional<String> driverOverride() {
        return driverOverride;
    }

    /** The driver that has it. */
    public Optional<PciDriver> driver() {
        return slot.driver().map(LoadedDriver::driver);
    }

    /** What the driver left here. */
    public <T> T driverData(Class<T> type) {
        return slot.data(type);
    }

    /** What the driver left here, if that is of this type. */
    public <T> Optional<T> findDriverData(Class<T> type) {
        return slot.findData(type);
    }

    /** For the driver that has it. */
    public void setDriverData(Object data) {
        slot.setData(data);
    }

    /** Its alias for finding drivers: {@code pci:v00001AF4d00001042sv...sd...bc..sc..i..}. */
    public String modalias() {
        return Modalias.of(function);
    }

    /** Its address. */
    @Override
    public String name() {
        return address.toString();
    }

    /** The bridge that it sits behind. */
    @Override
    public Optional<BusDevice> parent() {
        return upstream.map(BusDevice.class::cast);
    }

    @Override
    public String toString() {
        return address.toString();
    }

    /** Which of its physical function's virtual functions it is, from 0; of no meaning for one that is none. */
    public int virtualIndex() {
        return virtualIndex;
    }

    /** The function's own registers, virtual or not. */
    PciFunction hardware() {
        return hardware;
    }

    /** Who has it, for the bus. */
    DriverSlot<LoadedDriver> slot() {
        return slot;
    }

    void setDriverOverride(Optional<String> name) {
        driverOverride = name;
    }

    // A reset turns virtual functions off: they are on again before anybody looks.
    private void reset(Runnable reset) {
        sriov.ifPresentOrElse(physical -> physical.around(reset), reset);
    }
}
