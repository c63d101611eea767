package org.vfio4j.bus;

import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Who has a device, and whether there is one still: what {@code struct device} keeps for the driver core. Changed under its
 * {@link DeviceLock}, the driver's data apart, which are the driver's; any thread reads.
 *
 * @param <L> the drivers of the device's bus
 */
final class DriverSlot<L extends BusDriver<?>> {

    private final DeviceLock lock = new DeviceLock();

    private volatile @Nullable L driver;
    private volatile @Nullable L probing;
    private volatile @Nullable Object data;
    private volatile boolean gone;

    DeviceLock lock() {
        return lock;
    }

    /** The driver that has it. */
    Optional<L> driver() {
        return Optional.ofNullable(driver);
    }

    boolean isBound() {
        return driver != null;
    }

    /** Whether a driver has it or is about to. */
    boolean isTaken() {
        return probing != null || driver != null;
    }

    /** Whether this driver has it or is about to. */
    boolean isWith(L other) {
        return other.equals(probing) || other.equals(driver);
    }

    /** Which driver is about to take it; null for none. */
    void setProbing(@Nullable L next) {
        probing = next;
    }

    /** The driver has it from now on. */
    void take(L next) {
        driver = next;
    }

    /** Nobody has it, and nothing is left of who had. */
    void clear() {
        driver = null;
        data = null;
    }

    /** @throws ClassCastException when the driver has left something of another type */
    <T> T data(Class<T> type) {
        return type.cast(Objects.requireNonNull(data, "no driver has left anything"));
    }

    <T> Optional<T> findData(Class<T> type) {
        return Optional.ofNullable(data).filter(type::isInstance).map(type::cast);
    }

    void setData(Object newData) {
        data = newData;
    }

    /** Whether it has been taken off its bus. */
    boolean isGone() {
        return gone;
    }

    void setGone() {
        gone = true;
    }
}
