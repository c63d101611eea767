package org.vfio4j.vfio;

import static org.vfio4j.sys.Errno.EBADF;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.ENOTTY;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_GET;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_MASK;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_PROBE;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_SET;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_READ;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_WRITE;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaMemory;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;

/**
 * A device of this process, open. Checks every request against what the device has before its {@link VfioDeviceOps} see it,
 * as the kernel's vfio_main.c and ioctl handlers do. One thread at a time; {@link #read} and {@link #write} allocate nothing.
 */
public final class LocalDeviceFile implements VfioDeviceFile {

    private static final Logger LOG = System.getLogger(LocalDeviceFile.class.getName());
    private static final int PAGE_BYTES = 4096;
    private static final int PROT_READ = 1;
    private static final int PROT_WRITE = 2;

    private final VfioDevice device;
    private final VfioDeviceOps ops;
    private final VfioDeviceInfo info;
    private final VfioRegionInfo[] regions;
    private final VfioIrqInfo[] irqs;
    private final @Nullable VfioMigration migration;
    private final @Nullable MigrationFeatures migrationFeatures;
    private final @Nullable VfioLogging logging;
    private @Nullable IoAddressSpace space;
    private boolean leftovers;
    private boolean closed;

    /** @param device open, its ops enabled */
    LocalDeviceFile(VfioDevice device, VfioDeviceOps ops) {
        this.device = device;
        this.ops = ops;
        this.info = ops.info();
        this.regions = new VfioRegionInfo[info.numRegions()];
        for (int i = 0; i < regions.length; i++) {
            regions[i] = ops.regionInfo(i);
        }
        this.irqs = new VfioIrqInfo[info.numIrqs()];
        for (int i = 0; i < irqs.length; i++) {
            irqs[i] = ops.irqInfo(i);
        }
        this.migration =
                ops.migration().map(m -> new VfioMigration(device.name(), m)).orElse(null);
        this.migrationFeatures = migration == null ? null : new MigrationFeatures(migration);
        this.logging = ops.logging().map(l -> new VfioLogging(device.name(), l)).orElse(null);
    }

    /** The device that this is an open file of. */
    public VfioDevice device() {
        return device;
    }

    @Override
    public VfioDeviceInfo info() {
        checkOpen();
        return info;
    }

    /** {@inheritDoc} Size and access never change; what can be mapped of it may. */
    @Override
    public VfioRegionInfo regionInfo(int index) {
        checkOpen();
        checkRegion(index);
        return ops.regionInfo(index);
    }

    @Override
    public Optional<VfioRegionMemory> regionMemory(int index) {
        checkOpen();
        checkRegion(index);
        return ops.regionMemory(index);
    }

    @Override
    public List<VfioIoEventFd> ioEventFds(int index) {
        checkOpen();
        checkRegion(index);
        if (regions[index].sizeBytes() == 0) {
            throw new ErrnoException(EINVAL, device.name() + ": region " + index + " does not exist");
        }
        return ops.ioEventFds(index);
    }

    @Override
    public VfioIrqInfo irqInfo(int index) {
        checkOpen();
        checkIrq(index);
        return irqs[index];
    }

    @Override
    public void setIrqs(VfioIrqSet set) {
        try {
            checkOpen();
            checkIrq(set.index());
            IrqSetRules.check(set, irqs[set.index()]);
        } catch (ErrnoException e) {
            set.closeEventFds();
            throw e;
        }
        ops.setIrqs(set);
    }

    @Override
    public void read(int region, long offset, MemorySegment buffer, long at, int count) {
        checkRange(region, offset, buffer, at, count, VFIO_REGION_INFO_FLAG_READ);
        if (count != 0) {
            ops.read(region, offset, buffer, at, count);
        }
    }

    @Override
    public void write(int region, long offset, MemorySegment buffer, long at, int count) {
        checkRange(region, offset, buffer, at, count, VFIO_REGION_INFO_FLAG_WRITE);
        if (count != 0) {
            ops.write(region, offset, buffer, at, count);
        }
    }

    @Override
    public int feature(int flags, MemorySegment data) {
        VfioDeviceFeature feature = checkedFeature(flags, data);
        if ((flags & VFIO_DEVICE_FEATURE_PROBE) != 0) {
            return 0;
        }
        if ((flags & VFIO_DEVICE_FEATURE_SET) != 0) {
            feature.set(data);
            return 0;
        }
        return feature.get(data);
    }

    @Override
    public void feature(int flags, MemorySegment data, Fd descriptor) {
        VfioDeviceFeature feature;
        try {
            feature = checkedFeature(flags, data);
            if ((flags & (VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET)) != 0) {
                throw new ErrnoException(
                        EINVAL,
                        device.name() + ": a descriptor with device feature flags 0x" + Integer.toHexString(flags)
                                + ", which do not set one");
            }
        } catch (ErrnoException e) {
            descriptor.close();
            throw e;
        }
        feature.set(data, descriptor);
    }

    private VfioDeviceFeature checkedFeature(int flags, MemorySegment data) {
        checkOpen();
        int known = VFIO_DEVICE_FEATURE_MASK
                | VFIO_DEVICE_FEATURE_GET
                | VFIO_DEVICE_FEATURE_SET
                | VFIO_DEVICE_FEATURE_PROBE;
        int operations = flags & (VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET);
        boolean probe = (flags & VFIO_DEVICE_FEATURE_PROBE) != 0;
        String what = device.name() + ": device feature " + (flags & VFIO_DEVICE_FEATURE_MASK) + " flags 0x"
                + Integer.toHexString(flags);
        if ((flags & ~known) != 0 || (!probe && Integer.bitCount(operations) != 1)) {
            throw new ErrnoException(EINVAL, what + ": one of GET and SET is needed, or PROBE, and nothing else");
        }
        VfioDeviceFeature feature =
                findFeature(flags & VFIO_DEVICE_FEATURE_MASK).orElseThrow(() -> new ErrnoException(ENOTTY, what));
        if ((operations & ~feature.operations()) != 0) {
            throw new ErrnoException(EINVAL, what + ": the feature does not have this operation");
        }
        if (!probe && data.byteSize() < feature.sizeBytes()) {
            throw new ErrnoException(
                    EINVAL, what + ": " + data.byteSize() + " bytes of data, " + feature.sizeBytes() + " needed");
        }
        return feature;
    }

    private Optional<VfioDeviceFeature> findFeature(int index) {
        Optional<VfioDeviceFeature> found =
                migrationFeatures == null ? Optional.empty() : migrationFeatures.feature(index);
        if (found.isEmpty() && logging != null) {
            found = logging.feature(index);
        }
        return found.isPresent() ? found : ops.feature(index);
    }

    @Override
    public int migrationRead(MemorySegment buffer, long at, int count) {
        VfioMigration reading = migration("read migration data");
        Objects.checkFromIndexSize(at, count, buffer.byteSize());
        return reading.read(buffer, at, count);
    }

    @Override
    public void migrationWrite(MemorySegment buffer, long at, int count) {
        VfioMigration writing = migration("write migration data");
        Objects.checkFromIndexSize(at, count, buffer.byteSize());
        writing.write(buffer, at, count);
    }

    /** The state of its migration, for who only looks on, from any thread; empty when it cannot migrate. */
    public Optional<VfioMigrationState> migrationState() {
        return Optional.ofNullable(migration).map(VfioMigration::peek);
    }

    /** {@inheritDoc} Ends a migration, in RUNNING. What is logged stays logged. */
    @Override
    public void reset() {
        checkOpen();
        ops.reset();
        if (migration != null) {
            migration.reset();
        }
    }

    /**
     * The file goes from one user to the next, who must not notice: a log ends, low power, and a migration. A device that had
     * stopped for it, or failed, is reset; any other works on, unless it is hardware. When that fails the device {@link #hasLeftovers}.
     */
    public void userLeft() {
        checkOpen();
        if (migrationFeatures != null) {
            migrationFeatures.forgetUser();
        }
        leftovers = true;
        try {
            leave();
        } catch (RuntimeException e) {
            // Not the user's mistake: who leaves it so must not be able to keep this line out of the log.
            LOG.log(
                    Level.WARNING,
                    "{0}: what its user has left in it is still there, and no other user gets it before it is gone: {1}",
                    device,
                    e instanceof ErrnoException ? e.getMessage() : e);
        }
    }

    /** Whether what a user has left in the device could not be ended when that one went. */
    public boolean hasLeftovers() {
        return leftovers;
    }

    /**
     * Ends what the last user has left in the device, if it {@link #hasLeftovers}. That may wait for a reset.
     *
     * @throws ErrnoException why it cannot: nobody else may have the device then
     */
    public void clearLeftovers() {
        checkOpen();
        if (!leftovers) {
            return;
        }
        try {
            leave();
        } catch (ErrnoException e) {
            ErrnoException refused = new ErrnoException(
                    e.errno(), device + ": what its last user has left in it cannot be ended, by a reset or otherwise");
            refused.initCause(e);
            throw refused;
        }
        LOG.log(Level.INFO, "{0}: nothing of its last user is left in it", device);
    }

    private void leave() {
        if (logging != null) {
            logging.stop();
        }
        ops.userLeft();
        if (migration != null && !migration.abandon()) {
            reset();
        }
        leftovers = false;
    }

    /** Whether its user is migrating it: its state is not RUNNING, or the memory that it writes is logged. */
    public boolean isMigrating() {
        checkOpen();
        boolean logs = logging != null && logging.isRunning();
        return logs || (migration != null && migration.state() != VfioMigrationState.RUNNING);
    }

    /**
     * Gives the device memory to master.
     *
     * @throws ErrnoException EBUSY when it has some already; as {@link #clearLeftovers}
     */
    public void attach(IoAddressSpace newSpace) {
        checkOpen();
        if (space != null) {
            throw new ErrnoException(EBUSY, device.name() + ": attach an address space while another is attached");
        }
        clearLeftovers();
        ops.attachIoas(newSpace);
        setSpace(newSpace);
    }

    /** Takes the memory away, if there is some; returns when the device does no more DMA. After a failure it {@link #hasLeftovers}. */
    public void detach() {
        checkOpen();
        detachSpace();
    }

    /** The memory that is attached. */
    public Optional<IoAddressSpace> space() {
        return Optional.ofNullable(space);
    }

    /**
     * {@inheritDoc}
     *
     * <p>The memory is mapped into this process, so whoever holds it must not make it shorter: a user of this process is
     * trusted with that.
     *
     * @throws ErrnoException also ENODEV when no address space is attached
     */
    @Override
    public void dmaMap(long iova, long sizeBytes, int access, Fd memory, long offset) {
        IoAddressSpace target = attachedSpace("DMA map");
        if (access == 0 || (access & ~(DmaSpace.READ | DmaSpace.WRITE)) != 0) {
            throw new ErrnoException(EINVAL, device.name() + ": DMA map with access " + access);
        }
        if (sizeBytes <= 0 || offset < 0 || ((iova | sizeBytes | offset) & (PAGE_BYTES - 1)) != 0) {
            throw new ErrnoException(
                    EINVAL,
                    device.name() + ": DMA map of 0x" + Long.toHexString(sizeBytes) + " bytes at iova 0x"
                            + Long.toHexString(iova) + " from offset 0x" + Long.toHexString(offset)
                            + ": multiples of " + PAGE_BYTES + " are needed");
        }
        int prot = ((access & DmaSpace.READ) != 0 ? PROT_READ : 0) | ((access & DmaSpace.WRITE) != 0 ? PROT_WRITE : 0);
        Mapping mapping = Mapping.shared(memory, offset, sizeBytes, prot);
        target.map(iova, access, mapping, new DmaMemory(memory, offset));
    }

    @Override
    public void dmaUnmap(long iova, long sizeBytes) {
        attachedSpace("DMA unmap").unmap(iova, sizeBytes);
    }

    @Override
    public void dmaUnmap(long iova, long sizeBytes, long pageSizeBytes, MemorySegment bitmap) {
        IoAddressSpace attached = attachedSpace("DMA unmap");
        if (logging == null) {
            throw new ErrnoException(ENOTTY, device.name() + ": DMA unmap with a dirty bitmap, and no log of writes");
        }
        logging.unmap(attached, new VfioLoggingOps.Range(iova, sizeBytes), pageSizeBytes, bitmap);
    }

    @Override
    public void dmaUnmapAll() {
        attachedSpace("DMA unmap of everything").unmapAll();
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        try {
            detachSpace();
            if (logging != null) {
                logging.stop();
            }
            if (migration != null) {
                migration.reset();
            }
        } finally {
            device.closed();
        }
    }

    private void detachSpace() {
        if (space == null) {
            return;
        }
        setSpace(null);
        // Who could reach memory that was not taken away finds the next user's there.
        boolean before = leftovers;
        leftovers = true;
        ops.detachIoas();
        leftovers = before;
    }

    private void setSpace(@Nullable IoAddressSpace newSpace) {
        space = newSpace;
        if (logging != null) {
            logging.setSpace(newSpace);
        }
    }

    private VfioMigration migration(String what) {
        checkOpen();
        if (migration == null) {
            throw new ErrnoException(ENOTTY, device.name() + ": " + what + " of a device that cannot migrate");
        }
        return migration;
    }

    private IoAddressSpace attachedSpace(String what) {
        checkOpen();
        IoAddressSpace attached = space;
        if (attached == null) {
            throw new ErrnoException(ENODEV, device.name() + ": " + what + " without an address space");
        }
        return attached;
    }

    private void checkOpen() {
        if (closed) {
            throw new ErrnoException(EBADF, device.name() + " is closed");
        }
    }

    private void checkRegion(int index) {
        if (index < 0 || index >= regions.length) {
            throw new ErrnoException(
                    EINVAL, device.name() + ": region " + Integer.toUnsignedLong(index) + " of " + regions.length);
        }
    }

    private void checkIrq(int index) {
        if (index < 0 || index >= irqs.length) {
            throw new ErrnoException(
                    EINVAL, device.name() + ": irq index " + Integer.toUnsignedLong(index) + " of " + irqs.length);
        }
    }

    private void checkRange(int region, long offset, MemorySegment buffer, long at, int count, int access) {
        checkOpen();
        checkRegion(region);
        if (migration != null && migration.isFrozen()) {
            throw new ErrnoException(EINVAL, device.name() + ": access to region " + region + " in STOP_COPY");
        }
        if (count == 0) {
            return;
        }
        RegionAccessRules.check(device.name(), regions[region], offset, count, access);
        Objects.checkFromIndexSize(at, count, buffer.byteSize());
    }
}
