package org.vfio4j.bus;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** A driver of physical functions that turns virtual ones on as it is asked to. */
final class FakePhysicalDriver implements PciDriver {

    Optional<String> virtualsFor = Optional.empty();
    boolean leavesThemOn;

    @Override
    public String name() {
        return "physical";
    }

    @Override
    public List<PciDeviceId> idTable() {
        return List.of(BusTesting.ITS_ID);
    }

    @Override
    public void probe(PciDevice device) {}

    @Override
    public void remove(PciDevice device) {
        remove(device, PciBus.FOREVER);
    }

    @Override
    public void remove(PciDevice device, Duration limit) {
        if (!leavesThemOn) {
            device.bus().disableSriov(device, limit);
        }
    }

    @Override
    public void sriovConfigure(PciDevice device, int numVfs, Duration limit) {
        if (numVfs == 0) {
            device.bus().disableSriov(device, limit);
        } else {
            device.bus().enableSriov(device, numVfs, virtualsFor);
        }
    }
}
