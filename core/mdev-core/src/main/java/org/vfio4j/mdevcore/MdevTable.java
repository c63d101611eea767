package org.vfio4j.mdevcore;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINTR;
import static org.vfio4j.sys.Errno.ENODEV;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.vfio4j.sys.ErrnoException;

/**
 * Which parents and devices there are and who has one in hand. Safe for all threads: one lock, held for moments and never while a
 * driver is called. A device is begun, then finished or dropped; nobody else can have it in between.
 */
final class MdevTable {

    /** A parent, and what goes on with its devices. */
    private static final class Entry {
        private final MdevParent parent;
        private int inHand;
        private boolean leaving;

        Entry(MdevParent parent) {
            this.parent = parent;
        }
    }

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition quiet = lock.newCondition();
    private final Map<String, Entry> parents = new LinkedHashMap<>();
    private final Map<UUID, MdevDevice> devices = new LinkedHashMap<>();

    List<MdevParent> parents() {
        lock.lock();
        try {
            return parents.values().stream().map(entry -> entry.parent).toList();
        } finally {
            lock.unlock();
        }
    }

    /** All devices, those that are being made or removed included, in the order of their making. */
    List<MdevDevice> devices() {
        lock.lock();
        try {
            return List.copyOf(devices.values());
        } finally {
            lock.unlock();
        }
    }

    /** @throws ErrnoException EEXIST when there is a parent of this name */
    void add(MdevParent parent) {
        lock.lock();
        try {
            if (parents.containsKey(parent.name())) {
                throw new ErrnoException(EEXIST, "register mdev parent " + parent);
            }
            parents.put(parent.name(), new Entry(parent));
        } finally {
            lock.unlock();
        }
    }

    /**
     * Takes a uuid for a device that is about to be made, and has it in hand.
     *
     * @throws ErrnoException EEXIST, ENODEV as {@link MdevBus#create} has them
     */
    MdevDevice begin(MdevParent parent, MdevType type, UUID uuid) {
        lock.lock();
        try {
            MdevDevice other = devices.get(uuid);
            if (other != null) {
                throw new ErrnoException(EEXIST, "create mdev " + uuid + " of " + parent + ": there is " + other);
            }
            Entry entry = staying(parent, "create mdev " + uuid);
            MdevDevice device = new MdevDevice(uuid, type, parent);
            devices.put(uuid, device);
            entry.inHand++;
            return device;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Takes an active device in hand.
     *
     * @throws ErrnoException ENODEV, EAGAIN as {@link MdevBus#remove} has them
     */
    MdevDevice take(UUID uuid) {
        lock.lock();
        try {
            MdevDevice device = devices.get(uuid);
            if (device == null) {
                throw new ErrnoException(ENODEV, "remove mdev " + uuid);
            }
            Entry entry = staying(device.parent(), "remove mdev " + uuid);
            if (!device.isActive()) {
                throw new ErrnoException(EAGAIN, "remove mdev " + device + ": it is being made or removed");
            }
            device.setActive(false);
            entry.inHand++;
            return device;
        } finally {
            lock.unlock();
        }
    }

    /** The device is whole, made or kept, and nobody's. */
    void finish(MdevDevice device) {
        lock.lock();
        try {
            device.setActive(true);
            letGo(device);
        } finally {
            lock.unlock();
        }
    }

    /** The device is gone, and its uuid free. */
    void drop(MdevDevice device) {
        lock.lock();
        try {
            devices.remove(device.uuid(), device);
            letGo(device);
        } finally {
            lock.unlock();
        }
    }

    /**
     * A parent begins to leave: nothing of it is made or removed any more but by the caller, who has all its devices in hand.
     *
     * @return its devices, in the order of their making
     * @throws ErrnoException ENODEV when it is no parent or leaves already; EBUSY, EINTR while others have devices of it in hand
     */
    List<MdevDevice> leave(MdevParent parent, Deadline deadline) {
        lock.lock();
        try {
            Entry entry = staying(parent, "unregister mdev parent " + parent);
            entry.leaving = true;
            boolean left = false;
            try {
                awaitQuiet(entry, deadline);
                left = true;
            } finally {
                entry.leaving = left;
            }
            List<MdevDevice> own = new ArrayList<>();
            for (MdevDevice device : devices.values()) {
                if (device.parent() == parent) {
                    device.setActive(false);
                    own.add(device);
                }
            }
            entry.inHand = own.size();
            return own;
        } finally {
            lock.unlock();
        }
    }

    /** The parent does not leave after all. */
    void stay(MdevParent parent) {
        lock.lock();
        try {
            entry(parent).leaving = false;
        } finally {
            lock.unlock();
        }
    }

    /** A parent without devices is gone. */
    void remove(MdevParent parent) {
        lock.lock();
        try {
            parents.remove(parent.name());
        } finally {
            lock.unlock();
        }
    }

    private void awaitQuiet(Entry entry, Deadline deadline) {
        String what = "unregister mdev parent " + entry.parent;
        try {
            while (entry.inHand != 0) {
                if (quiet.awaitNanos(deadline.leftNs()) <= 0 && entry.inHand != 0) {
                    throw new ErrnoException(EBUSY, what + ": " + entry.inHand + " devices are being made or removed");
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ErrnoException(EINTR, what);
        }
    }

    private void letGo(MdevDevice device) {
        entry(device.parent()).inHand--;
        quiet.signalAll();
    }

    private Entry staying(MdevParent parent, String what) {
        Entry entry = parents.get(parent.name());
        if (entry == null || entry.parent != parent) {
            throw new ErrnoException(ENODEV, what + ": " + parent + " is no mdev parent");
        }
        if (entry.leaving) {
            throw new ErrnoException(ENODEV, what + ": " + parent + " is leaving");
        }
        return entry;
    }

    private Entry entry(MdevParent parent) {
        Entry entry = parents.get(parent.name());
        if (entry == null) {
            throw new IllegalStateException(parent + " is no mdev parent");
        }
        return entry;
    }
}
