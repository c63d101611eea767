package org.vfio4j.vfio;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.uapi.Vfio.VFIO_MIGRATION_P2P;
import static org.vfio4j.uapi.Vfio.VFIO_MIGRATION_PRE_COPY;
import static org.vfio4j.uapi.Vfio.VFIO_MIGRATION_STOP_COPY;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import java.util.function.Supplier;
import org.vfio4j.bus.DriverReference;
import org.vfio4j.sys.ErrnoException;

/**
 * The devices that drivers have given to VFIO, as /dev/vfio/devices lists them: {@code vfio0}, {@code vfio1}... A number that
 * was given back is used again. Safe for all threads.
 */
public final class VfioRegistry {

    /** How long {@link #unregister(VfioDevice)} waits before it asks the user again. */
    public static final Duration REQUEST_INTERVAL = Duration.ofSeconds(10);

    private static final Duration FOREVER = Duration.ofNanos(Long.MAX_VALUE);

    private final Duration requestInterval;
    private final TreeMap<Integer, VfioDevice> devices = new TreeMap<>();

    public VfioRegistry() {
        this(REQUEST_INTERVAL);
    }

    /** @param requestInterval how long to wait before the user is asked again */
    VfioRegistry(Duration requestInterval) {
        this.requestInterval = requestInterval;
    }

    /**
     * Makes a device available to users.
     *
     * @param ops what the driver does for it
     * @param driver takes a reference to the driver, or throws ENODEV when the driver is going
     * @param parentName the bus device, as {@code 0000:08:00.0}
     * @throws ErrnoException EINVAL when the operations have no name, or migration flags that are unknown or lack STOP_COPY
     */
    public VfioDevice register(VfioDeviceOps ops, Supplier<DriverReference> driver, String parentName) {
        return register(ops, driver, parentName, VfioAdmission.WITHOUT_TOKEN);
    }

    /**
     * Otherwise as {@link #register(VfioDeviceOps, Supplier, String)}.
     *
     * @param admission who may open it
     */
    public VfioDevice register(
            VfioDeviceOps ops, Supplier<DriverReference> driver, String parentName, VfioAdmission admission) {
        if (ops.name().isEmpty()) {
            throw new ErrnoException(EINVAL, "register " + parentName + ": the driver's operations have no name");
        }
        ops.migration().ifPresent(migration -> checkFlags(migration.flags(), parentName));
        synchronized (devices) {
            int number = 0;
            while (devices.containsKey(number)) {
                number++;
            }
            VfioDevice device = new VfioDevice("vfio" + number, parentName, ops, driver, admission);
            devices.put(number, device);
            return device;
        }
    }

    private static void checkFlags(int migrationFlags, String parentName) {
        int known = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P | VFIO_MIGRATION_PRE_COPY;
        if ((migrationFlags & VFIO_MIGRATION_STOP_COPY) == 0 || (migrationFlags & ~known) != 0) {
            throw new ErrnoException(
                    EINVAL,
                    "register " + parentName + ": migration flags 0x" + Integer.toHexString(migrationFlags)
                            + ": STOP_COPY is needed, P2P and PRE_COPY are known");
        }
    }

    /** Takes a device away: waits, as long as it takes, for its user to let go, who is asked at once and then at intervals. */
    public void unregister(VfioDevice device) {
        unregister(device, FOREVER);
    }

    /**
     * Takes a device away, waiting no longer than {@code limit} for its user.
     *
     * @throws ErrnoException EBUSY when the user has not let go, EINTR when the waiting thread is interrupted; the device then
     *     stays. ENODEV when it is not registered
     */
    public void unregister(VfioDevice device, Duration limit) {
        unregister(device, limit, () -> {});
    }

    /**
     * Otherwise as {@link #unregister(VfioDevice, Duration)}.
     *
     * @param beforeItGoes done once nobody uses the device; when it fails the device stays, and this fails with the same
     */
    public void unregister(VfioDevice device, Duration limit, Runnable beforeItGoes) {
        if (!devices().contains(device)) {
            throw new ErrnoException(ENODEV, "unregister " + device + ": not registered");
        }
        device.drain(requestInterval.toNanos(), limit.toNanos());
        boolean ready = false;
        try {
            beforeItGoes.run();
            ready = true;
        } finally {
            if (!ready) {
                device.stay();
            }
        }
        synchronized (devices) {
            devices.values().remove(device);
        }
    }

    /** The devices, by ascending number. */
    public List<VfioDevice> devices() {
        synchronized (devices) {
            return new ArrayList<>(devices.values());
        }
    }

    /**
     * The device of this name.
     *
     * @throws ErrnoException ENODEV when there is none
     */
    public VfioDevice device(String name) {
        for (VfioDevice device : devices()) {
            if (device.name().equals(name)) {
                return device;
            }
        }
        throw new ErrnoException(ENODEV, "VFIO device " + name);
    }

    /**
     * Opens a device for its only user; the caller closes the file.
     *
     * @param text the device's name or that of what it is made of, and options: {@code vfio0}, {@code 0000:04:10.0
     *     vf_token=UUID}
     * @throws ErrnoException EINVAL for an option that is unknown or repeated; otherwise as {@link #open(String, Optional)}
     */
    public LocalDeviceFile open(String text) {
        VfioDeviceName parsed = VfioDeviceName.parse(text);
        return open(parsed.name(), parsed.vfToken());
    }

    /**
     * Opens a device for its only user; the caller closes the file.
     *
     * @param name the device's name or that of what it is made of
     * @throws ErrnoException ENODEV when there is no such device; otherwise as {@link VfioDevice#open(Optional)}
     */
    public LocalDeviceFile open(String name, Optional<UUID> vfToken) {
        for (VfioDevice device : devices()) {
            if (device.name().equals(name) || device.parentName().equals(name)) {
                return device.open(vfToken);
            }
        }
        throw new ErrnoException(ENODEV, "VFIO device " + name);
    }
}
