package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EBUSY;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.vfio4j.sys.ErrnoException;

/** An auxiliary driver that notes what it is asked, refuses devices when it is told to, and keeps those that are in use. */
final class FakeAuxiliaryDriver implements AuxiliaryDriver {

    private final String name;
    private final List<AuxiliaryDeviceId> ids;
    final List<String> calls = new ArrayList<>();
    final Set<String> inUse = ConcurrentHashMap.newKeySet();
    final CountDownLatch waiting = new CountDownLatch(1);
    final CountDownLatch released = new CountDownLatch(1);
    Optional<Integer> probeErrno = Optional.empty();

    FakeAuxiliaryDriver(String name, String... ids) {
        this.name = name;
        this.ids = List.of(ids).stream().map(AuxiliaryDeviceId::new).toList();
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public List<AuxiliaryDeviceId> idTable() {
        return ids;
    }

    @Override
    public synchronized void probe(AuxiliaryDevice device, AuxiliaryDeviceId id) {
        calls.add("probe " + device + " by " + id.name());
        probeErrno.ifPresent(errno -> {
            throw new ErrnoException(errno, name + " does not want " + device);
        });
        device.setDriverData(this);
    }

    @Override
    public void remove(AuxiliaryDevice device, Duration limit) {
        if (inUse.contains(device.name())) {
            waitFor(device, limit);
        }
        synchronized (this) {
            calls.add("remove " + device + (device.driverData(FakeAuxiliaryDriver.class) == this ? "" : " of another"));
        }
    }

    private void waitFor(AuxiliaryDevice device, Duration limit) {
        waiting.countDown();
        try {
            if (!released.await(limit.toNanos(), TimeUnit.NANOSECONDS)) {
                throw new ErrnoException(EBUSY, name + " keeps " + device);
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
