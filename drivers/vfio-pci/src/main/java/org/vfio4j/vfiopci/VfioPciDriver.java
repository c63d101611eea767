package org.vfio4j.vfiopci;

import java.util.List;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDeviceId;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.vfio.VfioDevice;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiopcicore.VfioPciCore;

/**
 * The generic driver: gives any function to users as {@code vfio-pci-core} does, and no more. It takes what is named for it by
 * driver_override, nothing else. Needs the machine's {@link VfioRegistry} on the bus. The bus's thread calls.
 */
public final class VfioPciDriver implements PciDriver {

    /** Its name. */
    public static final String NAME = "vfio-pci";

    /** What it keeps of a device: its core, and what users see of it. */
    private record Bound(VfioPciCore core, VfioDevice device) {}

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public List<PciDeviceId> idTable() {
        return List.of(PciDeviceId.anyWithOverride());
    }

    @Override
    public void probe(PciDevice device) {
        PciBus bus = device.bus();
        VfioPciCore core = VfioPciCore.create(NAME, device);
        VfioRegistry registry = bus.service(VfioRegistry.class);
        device.setDriverData(new Bound(core, registry.register(core, () -> bus.reference(this), device.toString())));
    }

    @Override
    public void remove(PciDevice device) {
        Bound bound = device.driverData(Bound.class);
        device.bus().service(VfioRegistry.class).unregister(bound.device());
        bound.core().release();
    }
}
