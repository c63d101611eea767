package org.vfio4j.bus;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;

/** A driver that notes what it is asked, and refuses devices when it is told to. */
final class FakeDriver implements PciDriver {

    private final String name;
    private final List<PciDeviceId> ids;
    final List<String> calls = new ArrayList<>();
    boolean breaksDown;
    Optional<Integer> probeErrno = Optional.empty();
    Optional<Integer> removeErrno = Optional.empty();

    FakeDriver(String name, PciDeviceId... ids) {
        this.name = name;
        this.ids = List.of(ids);
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
        calls.add("probe " + device);
        if (breaksDown) {
            throw new IllegalStateException(name + " is broken");
        }
        probeErrno.ifPresent(errno -> {
            throw new ErrnoException(errno, name + " does not want " + device);
        });
        device.setDriverData(this);
    }

    @Override
    public void remove(PciDevice device) {
        removeErrno.ifPresent(errno -> {
            throw new ErrnoException(errno, name + " keeps " + device);
        });
        calls.add("remove " + device + (device.driverData(FakeDriver.class) == this ? "" : " of another"));
    }
}
