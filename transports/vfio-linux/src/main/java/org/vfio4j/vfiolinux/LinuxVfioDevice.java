package org.vfio4j.vfiolinux;

import static org.vfio4j.sys.Errno.EBADF;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_PROBE;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_MMAP;
import static org.vfio4j.uapi.VfioIoctl.VFIO_DEVICE_RESET;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Optional;
import java.util.UUID;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioDeviceInfo;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VfioRegionInfo;
import org.vfio4j.vfio.VfioRegionMemory;

/**
 * A function of this machine, open through the kernel's VFIO (linux/vfio.h). It has its IOMMU group and an IO address space for itself;
 * the kernel resets it when it is opened and when it is closed. One thread at a time.
 *
 * <p>While memory of a region is mapped, its user keeps the function's memory space enabled: an access to mapped registers that do not
 * decode ends the process.
 */
public final class LinuxVfioDevice implements VfioDeviceFile {

    private final PciAddress address;
    private final String name;
    private final VfioAttachment attachment;
    private final DeviceInfo info;
    private final DeviceRegions regions;
    private final MigrationData migration;
    private final DeviceFeatures features;
    private final KernelCalls kernel;
    private boolean closed;

    LinuxVfioDevice(PciAddress address, VfioAttachment attachment, KernelCalls kernel) {
        this.address = address;
        this.attachment = attachment;
        this.kernel = kernel;
        name = address.toString();
        info = new DeviceInfo(name, kernel);
        regions = new DeviceRegions(name, attachment.device(), info);
        migration = new MigrationData(name);
        features = new DeviceFeatures(name, kernel, migration);
    }

    /**
     * Opens a function of this machine.
     *
     * @throws ErrnoException ENODEV for a function that is not there, has no IOMMU group or no VFIO driver; EPERM when its group is not
     *     viable; EBUSY while another process has it; EACCES without the right to it; ENOENT without the kernel's VFIO
     */
    public static LinuxVfioDevice open(PciAddress address) {
        return open(HostPci.ofThisMachine(), address, Optional.empty());
    }

    /**
     * Opens a function that supports SR-IOV, which then has this token, or a virtual function of one that has it.
     *
     * @param vfToken what the users of these functions share, so that nobody gets a virtual function whose physical one a stranger has
     * @throws ErrnoException also EACCES when the physical function has another, or virtual ones are in use with another; EINVAL for a
     *     function that takes none
     */
    public static LinuxVfioDevice open(PciAddress address, UUID vfToken) {
        return open(HostPci.ofThisMachine(), address, Optional.of(vfToken));
    }

    static LinuxVfioDevice open(HostPci host, PciAddress address, Optional<UUID> vfToken) {
        HostFunction function = host.function(address);
        host.obstacle(function).ifPresent(obstacle -> {
            throw obstacle.failure(address);
        });
        GroupAttachment attachment = GroupAttachment.open(
                host.vfioDirectory(), function.iommuGroup().orElseThrow(), address.toString(), vfToken);
        try {
            return new LinuxVfioDevice(address, attachment, KernelCalls.of(attachment.device()));
        } catch (RuntimeException e) {
            attachment.close();
            throw e;
        }
    }

    /** Where the function is. */
    public PciAddress address() {
        return address;
    }

    /** What was opened to get to it: {@code /dev/vfio/} and the number of its IOMMU group. */
    public Path path() {
        return attachment.path();
    }

    @Override
    public VfioDeviceInfo info() {
        checkOpen();
        return info.device();
    }

    @Override
    public VfioRegionInfo regionInfo(int index) {
        checkOpen();
        return info.region(index).info();
    }

    @Override
    public Optional<VfioRegionMemory> regionMemory(int index) {
        checkOpen();
        DeviceInfo.Region region = info.region(index);
        return (region.info().flags() & VFIO_REGION_INFO_FLAG_MMAP) == 0
                ? Optional.empty()
                : Optional.of(new VfioRegionMemory(attachment.device(), region.position(), true));
    }

    @Override
    public VfioIrqInfo irqInfo(int index) {
        checkOpen();
        return info.irq(index);
    }

    @Override
    public void setIrqs(VfioIrqSet set) {
        try {
            checkOpen();
            DeviceIrqs.set(kernel, set, info.irq(set.index()));
        } finally {
            // The kernel holds what it was given.
            set.closeEventFds();
        }
    }

    @Override
    public void read(int region, long offset, MemorySegment buffer, long at, int count) {
        checkOpen();
        regions.read(region, offset, buffer, at, count);
    }

    @Override
    public void write(int region, long offset, MemorySegment buffer, long at, int count) {
        checkOpen();
        regions.write(region, offset, buffer, at, count);
    }

    @Override
    public int feature(int flags, MemorySegment data) {
        checkOpen();
        return features.use(flags, data);
    }

    @Override
    public void feature(int flags, MemorySegment data, Fd descriptor) {
        if (closed) {
            descriptor.close();
        }
        checkOpen();
        features.use(flags, data, descriptor);
    }

    @Override
    public int migrationRead(MemorySegment buffer, long at, int count) {
        checkOpen();
        return migration.read(buffer, at, count);
    }

    @Override
    public void migrationWrite(MemorySegment buffer, long at, int count) {
        checkOpen();
        migration.write(buffer, at, count);
    }

    /** {@inheritDoc} EINVAL for a function that cannot be reset: {@code VFIO_DEVICE_FLAGS_RESET} tells. */
    @Override
    public void reset() {
        checkOpen();
        try {
            kernel.call(VFIO_DEVICE_RESET, MemorySegment.NULL);
        } catch (ErrnoException e) {
            throw new ErrnoException(e.errno(), "reset " + name + " (VFIO_DEVICE_RESET)");
        }
        features.onReset();
    }

    /**
     * {@inheritDoc}
     *
     * <p>The kernel pins the memory. It is mapped into this process only meanwhile, so that whoever holds the file can make it shorter
     * without harm: what is not there any more is EFAULT.
     *
     * @throws ErrnoException also ENOMEM beyond what this process may pin (RLIMIT_MEMLOCK)
     */
    @Override
    public void dmaMap(long iova, long sizeBytes, int access, Fd memory, long offset) {
        checkOpen();
        attachment.map(iova, sizeBytes, access, memory, offset);
    }

    @Override
    public void dmaUnmap(long iova, long sizeBytes) {
        checkOpen();
        attachment.unmap(iova, sizeBytes);
    }

    @Override
    public void dmaUnmap(long iova, long sizeBytes, long pageSizeBytes, MemorySegment bitmap) {
        checkOpen();
        DirtyPages asked = dirtyPages(iova, sizeBytes, pageSizeBytes, bitmap);
        // Only then can the device write there no more, so that nothing is written after it has been asked for.
        attachment.unmap(iova, sizeBytes);
        try {
            features.report(asked);
        } catch (ErrnoException e) {
            // The map is gone, and with it the chance to ask again.
            asked.setAll();
        }
    }

    @Override
    public void dmaUnmapAll() {
        checkOpen();
        attachment.unmapAll();
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        migration.close();
        attachment.close();
    }

    private DirtyPages dirtyPages(long iova, long sizeBytes, long pageSizeBytes, MemorySegment bitmap) {
        if (!features.isLogging()) {
            // ENOTTY from a device that cannot log.
            features.use(VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, MemorySegment.NULL);
            throw new ErrnoException(EINVAL, name + ": DMA unmap with a dirty bitmap, and no log of writes runs");
        }
        long bytes = DirtyPages.bitmapBytes(sizeBytes, pageSizeBytes);
        if (bitmap.byteSize() < bytes) {
            throw new ErrnoException(
                    EINVAL,
                    name + ": DMA unmap with room for a dirty bitmap of " + bitmap.byteSize() + " bytes, " + bytes
                            + " needed");
        }
        return new DirtyPages(iova, sizeBytes, pageSizeBytes, bitmap.asSlice(0, bytes));
    }

    private void checkOpen() {
        if (closed) {
            throw new ErrnoException(EBADF, name + " is closed");
        }
    }
}
