package org.vfio4j.mdevcore;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;

import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.vfio4j.sys.ErrnoException;

/** A driver that takes all devices but those it is told to refuse, and keeps those that are in use. */
final class TestDriver implements MdevDriver {

    final Set<UUID> has = ConcurrentHashMap.newKeySet();
    final Set<UUID> inUse = ConcurrentHashMap.newKeySet();
    final Set<UUID> refuse = ConcurrentHashMap.newKeySet();
    final List<Duration> limits = new CopyOnWriteArrayList<>();

    @Override
    public String name() {
        return "test-driver";
    }

    @Override
    public void probe(MdevDevice device) {
        if (refuse.contains(device.uuid())) {
            throw new ErrnoException(EINVAL, "probe " + device);
        }
        if (!has.add(device.uuid())) {
            throw new AssertionError("probed twice: " + device);
        }
    }

    @Override
    public void remove(MdevDevice device, Duration limit) {
        limits.add(limit);
        if (inUse.contains(device.uuid())) {
            throw new ErrnoException(EBUSY, "remove " + device);
        }
        if (!has.remove(device.uuid())) {
            throw new AssertionError("removed without a probe: " + device);
        }
    }
}
