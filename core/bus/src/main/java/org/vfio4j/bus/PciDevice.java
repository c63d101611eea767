package org.vfio4j.bus;

import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A function and its place on a bus: {@code struct pci_dev}. The bus changes it, under its lock. */
public final class PciDevice {

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
    private final PciFunction function;
    private final List<Resource> resources;

    private volatile Optional<String> driverOverride = Optional.empty();
    private volatile Optional<PciDriver> driver = Optional.empty();
    private volatile @Nullable Object driverData;

    PciDevice(PciBus bus, PciAddress address, PciFunction function, List<Resource> resources) {
        this.bus = bus;
        this.address = address;
        this.function = new ObservedFunction(function, () -> bus.configWritten(this));
        this.resources = List.copyOf(resources);
    }

    public PciBus bus() {
        return bus;
    }

    public PciAddress address() {
        return address;
    }

    /** The function. What its driver writes to its configuration space is told to the bus's listeners. */
    public PciFunction function() {
        return function;
    }

    /** What its BARs decode, by ascending index. */
    public List<Resource> resources() {
        return resources;
    }

    /** The only driver that may have it, when one is named. */
    public Optional<String> driverOverride() {
        return driverOverride;
    }

    /** The driver that has it. */
    public Optional<PciDriver> driver() {
        return driver;
    }

    /** What the driver left here. */
    public <T> T driverData(Class<T> type) {
        return type.cast(Objects.requireNonNull(driverData, "no driver has left anything"));
    }

    /** For the driver that has it. */
    public void setDriverData(Object data) {
        driverData = data;
    }

    /** Its alias for finding drivers: {@code pci:v00001AF4d00001042sv...sd...bc..sc..i..}. */
    public String modalias() {
        return Modalias.of(function);
    }

    @Override
    public String toString() {
        return address.toString();
    }

    void setDriverOverride(Optional<String> name) {
        driverOverride = name;
    }

    void setDriver(Optional<PciDriver> newDriver) {
        driver = newDriver;
        if (newDriver.isEmpty()) {
            driverData = null;
        }
    }
}
