package org.vfio4j.userspace.vmm;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioDeviceInfo;
import org.vfio4j.vfio.VfioIoEventFd;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VfioRegionInfo;
import org.vfio4j.vfio.VfioRegionMemory;

/**
 * A device that a guest's threads and the hypervisor use at the same time: one call after the other. The file is the hypervisor's, and
 * is closed by it alone.
 */
public final class GuestDevice implements VfioDeviceFile {

    private final VfioDeviceFile file;
    private final Runnable serverCheck;

    /** A device whose server cannot go away: it is in this process. */
    public GuestDevice(VfioDeviceFile file) {
        this(file, () -> {});
    }

    /** @param serverCheck throws when the device's server is gone, and does not wait */
    public GuestDevice(VfioDeviceFile file, Runnable serverCheck) {
        this.file = file;
        this.serverCheck = serverCheck;
    }

    /**
     * Looks whether its server is there, without asking it: for those who wait for something that the device does by itself.
     *
     * @throws org.vfio4j.sys.ErrnoException ENOTCONN when it is gone; every call fails then
     */
    public synchronized void checkServer() {
        serverCheck.run();
    }

    @Override
    public synchronized VfioDeviceInfo info() {
        return file.info();
    }

    @Override
    public synchronized VfioRegionInfo regionInfo(int index) {
        return file.regionInfo(index);
    }

    @Override
    public synchronized Optional<VfioRegionMemory> regionMemory(int index) {
        return file.regionMemory(index);
    }

    @Override
    public synchronized List<VfioIoEventFd> ioEventFds(int index) {
        return file.ioEventFds(index);
    }

    @Override
    public synchronized VfioIrqInfo irqInfo(int index) {
        return file.irqInfo(index);
    }

    @Override
    public synchronized void setIrqs(VfioIrqSet set) {
        file.setIrqs(set);
    }

    @Override
    public synchronized void read(int region, long offset, MemorySegment buffer, long at, int count) {
        file.read(region, offset, buffer, at, count);
    }

    @Override
    public synchronized void write(int region, long offset, MemorySegment buffer, long at, int count) {
        file.write(region, offset, buffer, at, count);
    }

    @Override
    public synchronized int feature(int flags, MemorySegment data) {
        return file.feature(flags, data);
    }

    @Override
    public synchronized void feature(int flags, MemorySegment data, Fd descriptor) {
        file.feature(flags, data, descriptor);
    }

    @Override
    public synchronized int migrationRead(MemorySegment buffer, long at, int count) {
        return file.migrationRead(buffer, at, count);
    }

    @Override
    public synchronized void migrationWrite(MemorySegment buffer, long at, int count) {
        file.migrationWrite(buffer, at, count);
    }

    @Override
    public synchronized void reset() {
        file.reset();
    }

    @Override
    public synchronized void dmaMap(long iova, long sizeBytes, int access, Fd memory, long offset) {
        file.dmaMap(iova, sizeBytes, access, memory, offset);
    }

    @Override
    public synchronized void dmaUnmap(long iova, long sizeBytes) {
        file.dmaUnmap(iova, sizeBytes);
    }

    @Override
    public synchronized void dmaUnmap(long iova, long sizeBytes, long pageSizeBytes, MemorySegment bitmap) {
        file.dmaUnmap(iova, sizeBytes, pageSizeBytes, bitmap);
    }

    @Override
    public synchronized void dmaUnmapAll() {
        file.dmaUnmapAll();
    }

    @Override
    public synchronized void close() {
        file.close();
    }
}
