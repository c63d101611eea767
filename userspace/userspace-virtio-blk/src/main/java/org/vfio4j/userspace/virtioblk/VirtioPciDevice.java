package org.vfio4j.userspace.virtioblk;

import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.sys.Errno.ETIMEDOUT;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_INTX_DISABLE;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MEMORY;
import static org.vfio4j.uapi.PciRegs.PCI_DEVICE_ID;
import static org.vfio4j.uapi.PciRegs.PCI_VENDOR_ID;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_CONFIG_REGION_INDEX;
import static org.vfio4j.userspace.virtioblk.VirtioNumbers.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.locks.LockSupport;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioDeviceFile;

/**
 * A virtio device on PCI as its driver sees it (Virtual I/O Device 1.2, 4.1): registers found through the capabilities, status,
 * features, queues. Safe for all threads: queues of different threads notify through it.
 *
 * <p>Nothing that the device answers is trusted; each wait for it has an end.
 */
final class VirtioPciDevice {

    private static final int MAX_CONFIG_READS = 64;
    private static final long RESET_PAUSE_NS = 100_000;

    private final VfioDeviceFile file;
    private final VirtioStructures structures;
    private final MemorySegment word = Arena.ofAuto().allocate(Long.BYTES, Long.BYTES);

    /** @throws ErrnoException ENODEV when it is no virtio block device, or has no modern interface */
    VirtioPciDevice(VfioDeviceFile file) {
        this.file = file;
        int vendor = (int) config(PCI_VENDOR_ID, 2);
        int device = (int) config(PCI_DEVICE_ID, 2);
        boolean known = vendor == PCI_VENDOR_ID_REDHAT_QUMRANET
                && (device == DEVICE_ID_BLOCK || device == DEVICE_ID_BLOCK_TRANSITIONAL);
        if (!known) {
            throw new ErrnoException(
                    ENODEV, String.format("PCI device %04x:%04x is no virtio block device", vendor, device));
        }
        structures = VirtioStructures.find(file, this::config);
    }

    /** The same device again, or one with the same configuration space, which is not read. */
    VirtioPciDevice(VfioDeviceFile file, VirtioStructures structures) {
        this.file = file;
        this.structures = structures;
    }

    VirtioStructures structures() {
        return structures;
    }

    /** Lets the device do DMA; it has no use for INTx. */
    void enable() {
        int command = (int) config(PCI_COMMAND, 2);
        setConfig(PCI_COMMAND, 2, command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
    }

    /** Keeps it from doing any more DMA. */
    void disable() {
        setConfig(PCI_COMMAND, 2, config(PCI_COMMAND, 2) & ~PCI_COMMAND_MASTER);
    }

    int status() {
        return (int) common(VIRTIO_PCI_COMMON_STATUS, 1);
    }

    void addStatus(int bits) {
        setCommon(VIRTIO_PCI_COMMON_STATUS, 1, status() | bits);
    }

    /**
     * Resets the device and waits until it says that it is done (4.1.4.3.2).
     *
     * @throws ErrnoException ETIMEDOUT
     */
    void reset(long timeoutNs) {
        long start = System.nanoTime();
        setCommon(VIRTIO_PCI_COMMON_STATUS, 1, 0);
        int status = status();
        while (status != 0) {
            if (System.nanoTime() - start > timeoutNs) {
                throw new ErrnoException(
                        ETIMEDOUT,
                        String.format("virtio reset: status still 0x%02x after %d ms", status, timeoutNs / 1_000_000));
            }
            LockSupport.parkNanos(RESET_PAUSE_NS);
            status = status();
        }
    }

    /**
     * Agrees on features (3.1.1).
     *
     * @param supported what the driver knows
     * @return what both know
     * @throws ErrnoException ENODEV without VERSION_1; EIO when the device refuses
     */
    long negotiate(long supported) {
        long features = offered() & supported;
        if (!has(features, VIRTIO_F_VERSION_1)) {
            throw new ErrnoException(ENODEV, "the virtio device has no modern interface: VERSION_1 is not offered");
        }
        setFeatureWord(0, features);
        setFeatureWord(1, features >>> Integer.SIZE);
        addStatus(VIRTIO_CONFIG_S_FEATURES_OK);
        if ((status() & VIRTIO_CONFIG_S_FEATURES_OK) == 0) {
            throw new ErrnoException(
                    EIO, "the virtio device refuses the features 0x" + Long.toHexString(features) + " that it offers");
        }
        return features;
    }

    /** The features that the device offers. */
    long offered() {
        return featureWord(0) | featureWord(1) << Integer.SIZE;
    }

    int queueCount() {
        return (int) common(VIRTIO_PCI_COMMON_NUMQ, 2);
    }

    void noConfigInterrupt() {
        setCommon(VIRTIO_PCI_COMMON_MSIX, 2, VIRTIO_MSI_NO_VECTOR);
    }

    /** Selects a queue and returns the most entries that it can have, 0 when it does not exist. */
    synchronized int selectQueue(int index) {
        setCommon(VIRTIO_PCI_COMMON_Q_SELECT, 2, index);
        return (int) common(VIRTIO_PCI_COMMON_Q_SIZE, 2);
    }

    /** Gives the selected queue an interrupt vector. Returns whether the device takes it. */
    boolean setQueueVector(int vector) {
        setCommon(VIRTIO_PCI_COMMON_Q_MSIX, 2, vector);
        return common(VIRTIO_PCI_COMMON_Q_MSIX, 2) == vector;
    }

    /**
     * Where the selected queue's doorbell is: an offset in the region of {@link #notifyQueue}.
     *
     * @throws ErrnoException EPROTO when there is no such doorbell
     */
    long doorbell() {
        return structures.doorbell(common(VIRTIO_PCI_COMMON_Q_NOFF, 2));
    }

    /** Whether {@link #notifyQueue} may be given this. */
    boolean isDoorbell(long offset) {
        return structures.isDoorbell(offset);
    }

    /** Starts the selected queue. */
    void startQueue(int size, long desc, long avail, long used) {
        setCommon(VIRTIO_PCI_COMMON_Q_SIZE, 2, size);
        setCommonLong(VIRTIO_PCI_COMMON_Q_DESCLO, desc);
        setCommonLong(VIRTIO_PCI_COMMON_Q_AVAILLO, avail);
        setCommonLong(VIRTIO_PCI_COMMON_Q_USEDLO, used);
        setCommon(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
    }

    /** Rings a doorbell. Allocates nothing. */
    void notifyQueue(long doorbell, int index) {
        set(structures.notifyRegion(), doorbell, 2, index);
    }

    /**
     * Reads fields of the device's own configuration that belong together (2.5.1): as often as it takes to see none of them
     * change meanwhile.
     *
     * @param offsets of 4-byte fields
     * @throws ErrnoException EPROTO when it changes all the time
     */
    int[] deviceConfig(int... offsets) {
        int[] values = new int[offsets.length];
        for (int i = 0; i < MAX_CONFIG_READS; i++) {
            long generation = common(VIRTIO_PCI_COMMON_CFGGENERATION, 1);
            for (int field = 0; field < offsets.length; field++) {
                values[field] = (int) deviceField(offsets[field], 4);
            }
            if (common(VIRTIO_PCI_COMMON_CFGGENERATION, 1) == generation) {
                return values;
            }
        }
        throw new ErrnoException(
                EPROTO, "the virtio device's configuration changed during each of " + MAX_CONFIG_READS + " reads");
    }

    /** One field of the device's own configuration; a field that the device does not have reads as zero. */
    long deviceField(int offset, int width) {
        VirtioStructures.Structure device = structures.device();
        return offset + width <= device.length() ? get(device.region(), device.offset() + offset, width) : 0;
    }

    private long featureWord(int select) {
        setCommon(VIRTIO_PCI_COMMON_DFSELECT, 4, select);
        return common(VIRTIO_PCI_COMMON_DF, 4);
    }

    private void setFeatureWord(int select, long value) {
        setCommon(VIRTIO_PCI_COMMON_GFSELECT, 4, select);
        setCommon(VIRTIO_PCI_COMMON_GF, 4, value & 0xffff_ffffL);
    }

    private long common(int offset, int width) {
        return get(structures.common().region(), structures.common().offset() + offset, width);
    }

    private void setCommon(int offset, int width, long value) {
        set(structures.common().region(), structures.common().offset() + offset, width, value);
    }

    /** In two halves, since not every device takes 8 bytes at once (4.1.3.1). */
    private void setCommonLong(int offset, long value) {
        setCommon(offset, 4, value & 0xffff_ffffL);
        setCommon(offset + 4, 4, value >>> Integer.SIZE);
    }

    private long config(int offset, int width) {
        return get(VFIO_PCI_CONFIG_REGION_INDEX, offset, width);
    }

    private void setConfig(int offset, int width, long value) {
        set(VFIO_PCI_CONFIG_REGION_INDEX, offset, width, value);
    }

    private synchronized long get(int region, long offset, int width) {
        word.set(ValueLayout.JAVA_LONG, 0, 0);
        file.read(region, offset, word, 0, width);
        return word.get(ValueLayout.JAVA_LONG, 0);
    }

    private synchronized void set(int region, long offset, int width, long value) {
        word.set(ValueLayout.JAVA_LONG, 0, value);
        file.write(region, offset, word, 0, width);
    }
}
