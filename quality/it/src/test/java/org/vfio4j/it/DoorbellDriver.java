package org.vfio4j.it;

import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_READ;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_TYPE_PCI_VENDOR_TYPE;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDeviceId;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.vfio.VfioDevice;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiopcicore.VfioPciCore;
import org.vfio4j.vfiopcicore.VfioPciRegionOps;
import org.vfio4j.vfiopcicore.VfioPciTrapHandler;

/** Gives virtio disks to users, with a region more: how often the doorbell was rung. */
public final class DoorbellDriver implements PciDriver {

    static final int VENDOR = 0x1af4;
    static final int SUBTYPE = 1;
    private static final int DOORBELLS_BAR = 4;
    private static final long DOORBELLS_OFFSET = 0x3000;
    private static final long DOORBELLS_BYTES = 0x1000;

    private record Bound(VfioPciCore core, VfioDevice device) {}

    @Override
    public String name() {
        return "doorbell-vfio-pci";
    }

    @Override
    public List<PciDeviceId> idTable() {
        return List.of(PciDeviceId.vfio(VENDOR, 0x1042));
    }

    @Override
    public void probe(PciDevice device) {
        VfioPciCore core = VfioPciCore.create(name(), device);
        AtomicLong rung = new AtomicLong();
        int type = VFIO_REGION_TYPE_PCI_VENDOR_TYPE | VENDOR;
        core.registerDevRegion(type, SUBTYPE, new Region(rung), Long.BYTES, VFIO_REGION_INFO_FLAG_READ);
        core.trap(DOORBELLS_BAR, DOORBELLS_OFFSET, DOORBELLS_BYTES, new Trap(rung));
        VfioRegistry registry = device.bus().service(VfioRegistry.class);
        VfioDevice made = registry.register(core, () -> device.bus().reference(this), device.toString());
        device.setDriverData(new Bound(core, made));
    }

    @Override
    public void remove(PciDevice device) {
        Bound bound = device.driverData(Bound.class);
        device.bus().service(VfioRegistry.class).unregister(bound.device());
        bound.core().release();
    }

    private record Trap(AtomicLong rung) implements VfioPciTrapHandler {
        @Override
        public boolean write(long offset, MemorySegment buffer, long at, int count) {
            rung.incrementAndGet();
            return false; // not the end of it: the disk hears it too
        }
    }

    private record Region(AtomicLong rung) implements VfioPciRegionOps {
        @Override
        public void read(long offset, MemorySegment buffer, long at, int count) {
            MemorySegment number = MemorySegment.ofArray(new long[] {rung.get()});
            MemorySegment.copy(number, offset, buffer, at, count);
        }

        @Override
        public void write(long offset, MemorySegment buffer, long at, int count) {} // the region's flags allow none
    }
}
