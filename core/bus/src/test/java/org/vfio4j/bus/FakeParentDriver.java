package org.vfio4j.bus;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;

/** A driver that hands parts of each of its devices to the auxiliary bus: {@code mlx5_core.vfio_pci.1} and the following. */
final class FakeParentDriver implements PciDriver {

    static final String MODULE = "mlx5_core";

    private final List<PciDeviceId> ids = List.of(BusTesting.ITS_ID);
    final List<String> calls = new ArrayList<>();
    int parts = 1;
    int nextId = 1;
    boolean deletesParts;
    Optional<Integer> probeErrno = Optional.empty();
    Optional<Integer> removeErrno = Optional.empty();

    @Override
    public String name() {
        return "mlx5-core";
    }

    @Override
    public List<PciDeviceId> idTable() {
        return ids;
    }

    @Override
    public void probe(PciDevice device) {
        for (int i = 0; i < parts; i++) {
            device.bus().auxiliary().add(device, MODULE, "vfio_pci", nextId++, "part " + i);
        }
        probeErrno.ifPresent(errno -> {
            throw new ErrnoException(errno, "does not want " + device);
        });
    }

    @Override
    public void remove(PciDevice device) {
        remove(device, PciBus.FOREVER);
    }

    @Override
    public void remove(PciDevice device, Duration limit) {
        AuxiliaryBus auxiliary = device.bus().auxiliary();
        List<AuxiliaryDevice> children = auxiliary.children(device);
        calls.add("remove " + device + ", drivers of parts "
                + children.stream().filter(child -> child.driver().isPresent()).count());
        if (deletesParts) {
            children.forEach(auxiliary::delete);
        }
        removeErrno.ifPresent(errno -> {
            throw new ErrnoException(errno, "keeps " + device);
        });
    }
}
