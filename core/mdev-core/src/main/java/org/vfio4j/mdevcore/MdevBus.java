package org.vfio4j.mdevcore;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;

import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.vfio4j.sys.ErrnoException;

/**
 * Mediated devices and what they are made of: the kernel's mdev core (drivers/vfio/mdev). It knows when devices come and go and
 * nothing of what they do. Safe for all threads: a device that waits for its user keeps nobody from others.
 */
public final class MdevBus {

    /** Longer than anybody waits. */
    public static final Duration FOREVER = Duration.ofNanos(Long.MAX_VALUE);

    private static final System.Logger LOG = System.getLogger(MdevBus.class.getName());

    private final MdevTable table = new MdevTable();
    // Held over a change and while listeners hear of it, so that all hear of all in one order.
    private final ReentrantLock events = new ReentrantLock();
    private final List<MdevBusListener> listeners = new CopyOnWriteArrayList<>();

    /** Has a listener hear of what is there, and then of what changes. */
    public void addListener(MdevBusListener listener) {
        events.lock();
        try {
            table.parents().forEach(listener::registered);
            table.devices().stream().filter(MdevDevice::isActive).forEach(listener::added);
            listeners.add(listener);
        } finally {
            events.unlock();
        }
    }

    public void removeListener(MdevBusListener listener) {
        listeners.remove(listener);
    }

    /** The devices that others can be made of, in the order of their registration. */
    public List<MdevParent> parents() {
        return table.parents();
    }

    /** The parent of this name. */
    public Optional<MdevParent> findParent(String name) {
        return parents().stream().filter(parent -> parent.name().equals(name)).findFirst();
    }

    /**
     * The parent of this name.
     *
     * @throws ErrnoException ENODEV when there is none
     */
    public MdevParent parent(String name) {
        return findParent(name).orElseThrow(() -> new ErrnoException(ENODEV, "mdev parent " + name));
    }

    /** The devices that are whole, in the order of their making. */
    public List<MdevDevice> devices() {
        return table.devices().stream().filter(MdevDevice::isActive).toList();
    }

    /** Those of one parent. */
    public List<MdevDevice> devices(MdevParent parent) {
        return devices().stream().filter(device -> device.parent() == parent).toList();
    }

    /** The whole device of this uuid. */
    public Optional<MdevDevice> findDevice(UUID uuid) {
        return devices().stream().filter(device -> device.uuid().equals(uuid)).findFirst();
    }

    /**
     * Makes a device a parent: mdev_register_parent.
     *
     * @param name unique among parents
     * @param path its directory below /sys
     * @param driver gets all devices that are made of it
     * @throws ErrnoException EEXIST for a name that is taken; EINVAL without types, or with one that is not named after the
     *     driver or is there twice
     */
    public MdevParent register(String name, String path, MdevParentOps ops, MdevDriver driver) {
        MdevParent parent = new MdevParent(name, path, ops, driver);
        List<String> names = parent.types().stream().map(MdevType::name).toList();
        boolean fit = names.stream().allMatch(type -> type.startsWith(ops.driverName() + "-"));
        if (names.isEmpty() || !fit || names.stream().distinct().count() != names.size()) {
            throw new ErrnoException(
                    EINVAL,
                    "register mdev parent " + name + " with types " + names + ": each once, beginning with "
                            + ops.driverName() + "-");
        }
        publish(() -> table.add(parent), listener -> listener.registered(parent));
        return parent;
    }

    /**
     * A parent leaves: mdev_unregister_parent. All its devices go, in the order of their making: their users are asked to let go
     * and waited for first, and when one stays, all do.
     *
     * @param limit how long to wait in all
     * @throws ErrnoException EBUSY when a user has not let go by then, EINTR when the thread is interrupted: the parent and all
     *     its devices are as before. ENODEV when it is no parent, or is leaving
     */
    public void unregister(MdevParent parent, Duration limit) {
        Deadline deadline = Deadline.in(limit);
        List<MdevDevice> own = table.leave(parent, deadline);
        int released = 0;
        try {
            for (MdevDevice device : own) {
                release(device, deadline.left());
                released++;
            }
        } finally {
            if (released < own.size()) {
                stay(parent, own, released);
            }
        }
        own.forEach(this::end);
        publish(() -> table.remove(parent), listener -> listener.unregistered(parent));
    }

    /**
     * Makes a device: a write of {@code mdev_supported_types/TYPE/create}.
     *
     * @param uuid 36 characters, which a line's end may follow
     * @throws ErrnoException EINVAL for a uuid that is none; otherwise as {@link #create(MdevParent, MdevType, UUID)}
     */
    public MdevDevice create(MdevParent parent, MdevType type, String uuid) {
        return create(parent, type, MdevUuid.parse(uuid));
    }

    /**
     * Makes a device. It is on the bus whole, with its driver, or not at all.
     *
     * @throws ErrnoException EEXIST when the uuid is in use, under whatever parent and though that device be half made or half
     *     removed; EUSERS when none of the type is left; ENODEV when the parent is leaving or gone; or what the parent's driver
     *     or the bus driver says
     */
    public MdevDevice create(MdevParent parent, MdevType type, UUID uuid) {
        if (!parent.types().contains(type)) {
            throw new ErrnoException(EINVAL, "create mdev " + uuid + ": " + parent + " has no type " + type.name());
        }
        MdevDevice device = table.begin(parent, type, uuid);
        boolean made = false;
        try {
            MdevInstance instance = parent.ops().create(type, uuid);
            device.setInstance(instance);
            try {
                parent.driver().probe(device);
                made = true;
            } finally {
                if (!made) {
                    instance.close();
                }
            }
        } finally {
            if (!made) {
                table.drop(device);
            }
        }
        publish(() -> table.finish(device), listener -> listener.added(device));
        return device;
    }

    /** Removes a device, waiting as long as it takes for its user; otherwise as {@link #remove(UUID, Duration)}. */
    public void remove(UUID uuid) {
        remove(uuid, FOREVER);
    }

    /**
     * Removes a device: a write of its {@code remove}. Its user is asked to let go and waited for.
     *
     * @param limit how long to wait
     * @throws ErrnoException ENODEV when there is none of this uuid or its parent is leaving; EAGAIN when it is being made or
     *     removed; EBUSY when the user has not let go by then, EINTR when the thread is interrupted: the device is as before
     */
    public void remove(UUID uuid, Duration limit) {
        MdevDevice device = table.take(uuid);
        boolean released = false;
        try {
            release(device, limit);
            released = true;
        } finally {
            if (!released) {
                table.finish(device);
            }
        }
        end(device);
    }

    private static void release(MdevDevice device, Duration limit) {
        device.parent().driver().remove(device, limit);
        device.clearDriverData();
    }

    /** A device that its driver has given back goes. */
    private void end(MdevDevice device) {
        try {
            device.instance().close();
        } finally {
            publish(() -> table.drop(device), listener -> listener.removed(device));
        }
    }

    /** A parent does not leave after all: the first {@code released} of its devices get their driver again. */
    private void stay(MdevParent parent, List<MdevDevice> own, int released) {
        for (int i = 0; i < own.size(); i++) {
            MdevDevice device = own.get(i);
            try {
                if (i < released) {
                    parent.driver().probe(device);
                }
                table.finish(device);
            } catch (ErrnoException e) {
                LOG.log(Level.WARNING, "{0}, whose parent stays, goes: {1}", device, e.getMessage());
                end(device);
            }
        }
        table.stay(parent);
    }

    private void publish(Runnable change, Consumer<MdevBusListener> event) {
        events.lock();
        try {
            change.run();
            listeners.forEach(event);
        } finally {
            events.unlock();
        }
    }
}
