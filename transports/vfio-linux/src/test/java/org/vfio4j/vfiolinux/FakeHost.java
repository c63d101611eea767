package org.vfio4j.vfiolinux;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.uapi.Vfio.*;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioDeviceInfo;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VfioRegionInfo;
import org.vfio4j.vfio.VfioRegionMemory;

/**
 * An open device as the kernel has one, in memory: writes down what it is told, keeps the eventfds that it is given, and fails where it
 * is told to.
 */
final class FakeHost implements VfioDeviceFile {

    static final int MSI = 0x50;
    static final int MSIX = 0x60;
    static final int VECTORS = 8;

    final ByteBuffer config = ByteBuffer.allocate(PCI_CFG_SPACE_SIZE).order(ByteOrder.LITTLE_ENDIAN);
    final long[] regionSizes = new long[VFIO_PCI_NUM_REGIONS];
    final List<String> log = new ArrayList<>();
    final Map<Integer, List<Fd>> triggers = new HashMap<>();
    Optional<Fd> unmask = Optional.empty();
    Optional<VfioRegionMemory> memory = Optional.empty();
    int flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
    int mostVectors = VECTORS;
    int mapFailure;
    volatile int resetFailure;
    volatile Runnable onReset = () -> {};
    volatile int unmapAllFailure;
    boolean gone;
    boolean closed;

    FakeHost() {
        config.putInt(PCI_VENDOR_ID, 0x0010_1b36);
        config.putShort(PCI_STATUS, (short) PCI_STATUS_CAP_LIST);
        config.put(PCI_CAPABILITY_LIST, (byte) MSI);
        config.put(PCI_INTERRUPT_PIN, (byte) 1);
        config.putShort(MSI, (short) (PCI_CAP_ID_MSI | MSIX << 8));
        config.putShort(MSI + PCI_MSI_FLAGS, (short) (3 << 1));
        config.putShort(MSIX, (short) PCI_CAP_ID_MSIX);
        config.putShort(MSIX + PCI_MSIX_FLAGS, (short) (VECTORS - 1));
        config.putInt(MSIX + PCI_MSIX_TABLE, 0x2000);
        config.putInt(MSIX + PCI_MSIX_PBA, 0x3000);
        config.putInt(PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_MEM_TYPE_64);
        regionSizes[VFIO_PCI_BAR0_REGION_INDEX] = 0x4000;
        regionSizes[VFIO_PCI_CONFIG_REGION_INDEX] = PCI_CFG_SPACE_SIZE;
    }

    int command() {
        return config.getShort(PCI_COMMAND);
    }

    /** The device has an interrupt to report. */
    void interrupt(int index, int vector) {
        EventFd.signal(triggers.get(index).get(vector).value());
    }

    @Override
    public VfioDeviceInfo info() {
        return new VfioDeviceInfo(flags, VFIO_PCI_NUM_REGIONS, VFIO_PCI_NUM_IRQS);
    }

    @Override
    public VfioRegionInfo regionInfo(int index) {
        int access = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
        return new VfioRegionInfo(
                index, memory.isPresent() ? access | VFIO_REGION_INFO_FLAG_MMAP : access, regionSizes[index]);
    }

    @Override
    public Optional<VfioRegionMemory> regionMemory(int index) {
        return memory;
    }

    @Override
    public VfioIrqInfo irqInfo(int index) {
        return new VfioIrqInfo(index, VFIO_IRQ_INFO_EVENTFD, index == VFIO_PCI_MSIX_IRQ_INDEX ? VECTORS : 1);
    }

    @Override
    public void setIrqs(VfioIrqSet set) {
        if (set.count() > mostVectors) {
            set.closeEventFds();
            throw new ErrnoException(Errno.ENOSPC, "vectors " + set.count());
        }
        if ((set.flags() & VFIO_IRQ_SET_ACTION_UNMASK) != 0) {
            unmask.ifPresent(Fd::close);
            unmask = set.eventFds().stream().findFirst();
            return;
        }
        List<Fd> old = set.count() == 0 ? triggers.remove(set.index()) : triggers.put(set.index(), set.eventFds());
        if (old != null) {
            old.forEach(Fd::close);
        }
    }

    @Override
    public void read(int region, long offset, MemorySegment buffer, long at, int count) {
        checkThere();
        if (region == VFIO_PCI_CONFIG_REGION_INDEX) {
            MemorySegment.copy(MemorySegment.ofArray(config.array()), offset, buffer, at, count);
        } else {
            log.add("read " + count + " of " + region + " at " + offset);
            buffer.asSlice(at, count).fill((byte) 0xa5);
        }
    }

    @Override
    public void write(int region, long offset, MemorySegment buffer, long at, int count) {
        checkThere();
        if (region == VFIO_PCI_CONFIG_REGION_INDEX) {
            MemorySegment.copy(buffer, at, MemorySegment.ofArray(config.array()), offset, count);
        } else {
            log.add("write " + count + " of " + region + " at " + offset + ": " + (buffer.get(JAVA_BYTE, at) & 0xff));
        }
    }

    private void checkThere() {
        if (gone) {
            throw new ErrnoException(Errno.EIO, "access to a device that is gone");
        }
    }

    @Override
    public int feature(int wanted, MemorySegment data) {
        throw new ErrnoException(Errno.ENOTTY, "feature " + wanted);
    }

    @Override
    public void reset() {
        int failure = resetFailure;
        onReset.run();
        fail(failure, "VFIO_DEVICE_RESET");
        log.add("reset");
    }

    @Override
    public void dmaMap(long iova, long sizeBytes, int access, Fd descriptor, long offset) {
        fail(mapFailure, "VFIO_IOMMU_MAP_DMA");
        log.add("map " + Long.toHexString(iova) + " " + Long.toHexString(sizeBytes) + " " + access + " from "
                + Long.toHexString(offset));
    }

    @Override
    public void dmaUnmap(long iova, long sizeBytes) {
        log.add("unmap " + Long.toHexString(iova) + " " + Long.toHexString(sizeBytes));
    }

    @Override
    public void dmaUnmapAll() {
        fail(unmapAllFailure, "VFIO_IOMMU_UNMAP_DMA");
        log.add("unmap all");
    }

    private static void fail(int errno, String request) {
        if (errno != 0) {
            throw new ErrnoException(errno, "ioctl " + request);
        }
    }

    @Override
    public void close() {
        closed = true;
        triggers.values().forEach(fds -> fds.forEach(Fd::close));
        triggers.clear();
        unmask.ifPresent(Fd::close);
    }
}
