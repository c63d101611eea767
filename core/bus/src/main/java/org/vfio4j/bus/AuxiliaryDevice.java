package org.vfio4j.bus;

import java.util.Optional;

/**
 * A part of a device that another driver drives: {@code struct auxiliary_device} (Linux, Documentation/driver-api/auxiliary_bus).
 * The driver of its parent makes it with {@link AuxiliaryBus#add}, and it ends with that driver. The bus changes it, under its
 * {@link DeviceLock}; any thread reads.
 */
public final class AuxiliaryDevice implements BusDevice {

    private final AuxiliaryBus bus;
    private final BusDevice parent;
    private final AuxiliaryDeviceId matchName;
    private final int id;
    private final Object data;
    private final DriverSlot<LoadedAuxiliaryDriver> slot = new DriverSlot<>();

    AuxiliaryDevice(AuxiliaryBus bus, BusDevice parent, AuxiliaryDeviceId matchName, int id, Object data) {
        this.bus = bus;
        this.parent = parent;
        this.matchName = matchName;
        this.id = id;
        this.data = data;
    }

    public AuxiliaryBus bus() {
        return bus;
    }

    /** {@code MODULE.DEVICE.ID}, the id in decimal: {@code mlx5_core.vfio_pci.2048}. */
    @Override
    public String name() {
        return matchName.name() + "." + Integer.toUnsignedString(id);
    }

    /** The device that it is a part of. */
    @Override
    public Optional<BusDevice> parent() {
        return Optional.of(parent);
    }

    /** What drivers match it by: its name up to the last dot. */
    public AuxiliaryDeviceId matchName() {
        return matchName;
    }

    /** The last part of its name, unsigned. */
    public int id() {
        return id;
    }

    /**
     * What its parent's driver gave it: a type that the two drivers have agreed upon.
     *
     * @throws ClassCastException when it is of another type
     */
    public <T> T data(Class<T> type) {
        return type.cast(data);
    }

    /** What its parent's driver gave it, if that is of this type. */
    public <T> Optional<T> findData(Class<T> type) {
        return Optional.of(data).filter(type::isInstance).map(type::cast);
    }

    /** The driver that has it. */
    public Optional<AuxiliaryDriver> driver() {
        return slot.driver().map(LoadedAuxiliaryDriver::driver);
    }

    /** What its driver left here. */
    public <T> T driverData(Class<T> type) {
        return slot.data(type);
    }

    /** What its driver left here, if that is of this type. */
    public <T> Optional<T> findDriverData(Class<T> type) {
        return slot.findData(type);
    }

    /** For the driver that has it. */
    public void setDriverData(Object newData) {
        slot.setData(newData);
    }

    /** Its alias for finding drivers: {@code auxiliary:mlx5_core.vfio_pci}. */
    public String modalias() {
        return matchName.alias();
    }

    @Override
    public String toString() {
        return name();
    }

    /** Who has it, for the bus. */
    DriverSlot<LoadedAuxiliaryDriver> slot() {
        return slot;
    }
}
