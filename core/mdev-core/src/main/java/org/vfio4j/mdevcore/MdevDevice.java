package org.vfio4j.mdevcore;

import static org.vfio4j.sys.Errno.ENOENT;

import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;

/**
 * A device that was made of a part of another: {@code struct mdev_device}. The bus changes it; any thread reads.
 *
 * <p>It is on the bus from the moment its uuid is taken, and {@linkplain #isActive active} while it is whole. Between the two one
 * thread has it in hand, which is what the lock of a device on another bus says; a second one is refused instead of waiting.
 */
public final class MdevDevice {

    private final UUID uuid;
    private final MdevType type;
    private final MdevParent parent;

    private volatile boolean active;
    private volatile @Nullable MdevInstance instance;
    private volatile @Nullable Object driverData;

    MdevDevice(UUID uuid, MdevType type, MdevParent parent) {
        this.uuid = uuid;
        this.type = type;
        this.parent = parent;
    }

    /** Its name on the bus. */
    public UUID uuid() {
        return uuid;
    }

    public MdevType type() {
        return type;
    }

    public MdevParent parent() {
        return parent;
    }

    /** Its directory, as {@code /devices/virtual/mtty/mtty/UUID}. */
    public String path() {
        return parent.path() + "/" + uuid;
    }

    /** Whether it is whole: neither being made nor being removed. */
    public boolean isActive() {
        return active;
    }

    /** What its parent's driver made. */
    public MdevInstance instance() {
        return Objects.requireNonNull(instance, "the device is being made");
    }

    /**
     * One of its attributes.
     *
     * @param path as {@link MdevInstance#attributes} has it
     * @throws ErrnoException ENOENT when there is none of this path
     */
    public MdevAttribute attribute(String path) {
        MdevAttribute found = instance().attributes().get(path);
        if (found == null) {
            throw new ErrnoException(
                    ENOENT,
                    "attribute " + path + " of " + uuid + ": there is "
                            + String.join(", ", instance().attributes().keySet()));
        }
        return found;
    }

    /** What the driver left here, if that is of this type. */
    public <T> Optional<T> findDriverData(Class<T> wanted) {
        return Optional.ofNullable(driverData).filter(wanted::isInstance).map(wanted::cast);
    }

    /** What the driver left here. */
    public <T> T driverData(Class<T> wanted) {
        return wanted.cast(Objects.requireNonNull(driverData, "no driver has left anything"));
    }

    /** For the driver that has it. It is gone when the driver gives the device back. */
    public void setDriverData(Object data) {
        driverData = data;
    }

    void clearDriverData() {
        driverData = null;
    }

    void setInstance(MdevInstance made) {
        instance = made;
    }

    void setActive(boolean now) {
        active = now;
    }

    @Override
    public String toString() {
        return uuid + " (" + type.name() + " of " + parent + ")";
    }
}
