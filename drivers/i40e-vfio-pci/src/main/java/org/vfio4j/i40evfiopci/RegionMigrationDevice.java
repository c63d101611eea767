package org.vfio4j.i40evfiopci;

import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_READ;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_WRITE;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_SUBTYPE_MIGRATION;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_TYPE_MIGRATION;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.i40e.I40eVfControl;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.VfioDeviceFeature;
import org.vfio4j.vfio.VfioDeviceInfo;
import org.vfio4j.vfio.VfioDeviceOps;
import org.vfio4j.vfio.VfioIoEventFd;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VfioLoggingOps;
import org.vfio4j.vfio.VfioRegionInfo;
import org.vfio4j.vfio.VfioRegionMemory;
import org.vfio4j.vfiopcicore.VfioPciCore;

/**
 * The operations of a device with migration of the first generation: the core's, but for the memory that the function masters,
 * which has to be known to track what it writes, and for whose log that is.
 */
final class RegionMigrationDevice implements VfioDeviceOps {

    /** Of the interrupt that tells a user to ask for BAR0's info and map it anew. */
    static final int IRQ_SUBTYPE_REMAP = 1;

    private static final int READ_WRITE = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;

    private final VfioPciCore core;
    private final RegionMigration migration;
    private final TailTracking tracking;

    RegionMigrationDevice(PciFunction function, VfioPciCore core, I40eVfControl vf) {
        this.core = core;
        this.migration = new RegionMigration(vf, this::saving);
        this.tracking = new TailTracking(
                function,
                core,
                vf,
                core.registerDevIrq(VFIO_REGION_TYPE_MIGRATION, IRQ_SUBTYPE_REMAP, 1),
                migration::isRunning);
        core.registerDevRegion(
                VFIO_REGION_TYPE_MIGRATION,
                VFIO_REGION_SUBTYPE_MIGRATION,
                migration,
                RegionMigration.REGION_BYTES,
                READ_WRITE);
        core.onReset(migration::reset);
    }

    private void saving(boolean on) {
        tracking.setMigrating(on);
    }

    @Override
    public String name() {
        return core.name();
    }

    @Override
    public void openDevice() {
        core.openDevice();
    }

    @Override
    public void closeDevice() {
        tracking.stop();
        migration.reset();
        core.closeDevice();
    }

    @Override
    public VfioDeviceInfo info() {
        return core.info();
    }

    @Override
    public VfioRegionInfo regionInfo(int index) {
        return core.regionInfo(index);
    }

    @Override
    public Optional<VfioRegionMemory> regionMemory(int index) {
        return core.regionMemory(index);
    }

    @Override
    public List<VfioIoEventFd> ioEventFds(int index) {
        return core.ioEventFds(index);
    }

    @Override
    public VfioIrqInfo irqInfo(int index) {
        return core.irqInfo(index);
    }

    @Override
    public void setIrqs(VfioIrqSet set) {
        core.setIrqs(set);
    }

    @Override
    public void read(int region, long offset, MemorySegment buffer, long at, int count) {
        core.read(region, offset, buffer, at, count);
    }

    @Override
    public void write(int region, long offset, MemorySegment buffer, long at, int count) {
        core.write(region, offset, buffer, at, count);
    }

    @Override
    public Optional<VfioDeviceFeature> feature(int index) {
        return core.feature(index);
    }

    @Override
    public Optional<VfioLoggingOps> logging() {
        return Optional.of(tracking);
    }

    @Override
    public void reset() {
        core.reset();
    }

    @Override
    public void attachIoas(IoAddressSpace space) {
        core.attachIoas(space);
        tracking.attach(space);
    }

    @Override
    public void detachIoas() {
        tracking.detach();
        core.detachIoas();
    }

    @Override
    public void userLeft() {
        core.userLeft();
        if (!migration.abandon()) {
            core.reset();
        }
    }

    @Override
    public void request(int count) {
        core.request(count);
    }
}
