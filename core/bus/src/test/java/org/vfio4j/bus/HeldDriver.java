package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINTR;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.vfio4j.sys.ErrnoException;

/** A driver whose devices may have users, which it waits for. Tells when two threads are in one device's affairs. */
final class HeldDriver implements PciDriver {

    private final String name;
    private final List<PciDeviceId> ids;
    private final Map<PciDevice, CountDownLatch> users = new ConcurrentHashMap<>();
    private final Set<PciDevice> busy = ConcurrentHashMap.newKeySet();
    final Set<PciDevice> has = ConcurrentHashMap.newKeySet();
    final CountDownLatch waiting = new CountDownLatch(1);
    final AtomicInteger collisions = new AtomicInteger();

    HeldDriver(String name, PciDeviceId... ids) {
        this.name = name;
        this.ids = List.of(ids);
    }

    /** A user has it, until the latch goes to zero. */
    CountDownLatch use(PciDevice device) {
        CountDownLatch latch = new CountDownLatch(1);
        users.put(device, latch);
        return latch;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public List<PciDeviceId> idTable() {
        return ids;
    }

    @Override
    public void probe(PciDevice device) {
        alone(device, () -> {
            if (!has.add(device)) {
                collisions.incrementAndGet();
            }
            device.setDriverData(this);
        });
    }

    @Override
    public void remove(PciDevice device) {
        remove(device, PciBus.FOREVER);
    }

    @Override
    public void remove(PciDevice device, Duration limit) {
        alone(device, () -> {
            CountDownLatch user = users.get(device);
            if (user != null) {
                await(user, device, limit);
                users.remove(device);
            }
            if (!has.remove(device) || device.driverData(HeldDriver.class) != this) {
                collisions.incrementAndGet();
            }
        });
    }

    private void await(CountDownLatch user, PciDevice device, Duration limit) {
        waiting.countDown();
        try {
            if (!user.await(limit.toNanos(), TimeUnit.NANOSECONDS)) {
                throw new ErrnoException(EBUSY, name + " keeps " + device);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ErrnoException(EINTR, name + " keeps " + device);
        }
    }

    private void alone(PciDevice device, Runnable affair) {
        if (!busy.add(device)) {
            collisions.incrementAndGet();
        }
        try {
            affair.run();
        } finally {
            busy.remove(device);
        }
    }
}
