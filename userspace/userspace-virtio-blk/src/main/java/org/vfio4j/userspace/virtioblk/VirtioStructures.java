package org.vfio4j.userspace.virtioblk;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.uapi.PciRegs.PCI_CAPABILITY_LIST;
import static org.vfio4j.uapi.PciRegs.PCI_CAP_ID_VNDR;
import static org.vfio4j.uapi.PciRegs.PCI_STATUS;
import static org.vfio4j.uapi.PciRegs.PCI_STATUS_CAP_LIST;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_BAR5_REGION_INDEX;
import static org.vfio4j.userspace.virtioblk.VirtioNumbers.*;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioDeviceFile;

/**
 * Where a device's registers are (Virtual I/O Device 1.2, 4.1.4): any place in any BAR, named by vendor-specific capabilities of
 * which the first usable one of each type counts. Immutable.
 *
 * @param common the common configuration
 * @param doorbells the doorbells
 * @param device the configuration of a block device
 * @param multiplier bytes from one doorbell to the next
 */
record VirtioStructures(Structure common, Structure doorbells, Structure device, long multiplier) {

    /** The smallest that a block device's configuration can be: its capacity. */
    private static final int MIN_DEVICE_CONFIG = 8;

    private static final int DOORBELL_SIZE = 2;
    private static final int FIRST_CAPABILITY = 0x40;
    private static final int CONFIG_SPACE = 0x100;
    private static final int CAPABILITY_ALIGNMENT = 4;

    private static final long MAX_MULTIPLIER = 0xffff_ffffL;

    /** What {@link #write} gives. */
    static final int BYTES = 3 * (Integer.BYTES + 2 * Long.BYTES) + Long.BYTES;

    /** A range of a region. */
    record Structure(int region, long offset, long length) {

        private static final long END = 1L << 33;

        void write(ByteBuffer to) {
            to.putInt(region).putLong(offset).putLong(length);
        }

        static Structure read(ByteBuffer from, int minLength) {
            Structure read = new Structure(from.getInt(), from.getLong(), from.getLong());
            boolean inside = read.offset >= 0 && read.offset < END && read.length >= minLength && read.length < END;
            if (read.region < 0 || read.region > VFIO_PCI_BAR5_REGION_INDEX || !inside) {
                throw new ErrnoException(EINVAL, "state of a virtio device: registers at " + read);
            }
            return read;
        }
    }

    void write(ByteBuffer to) {
        common.write(to);
        doorbells.write(to);
        device.write(to);
        to.putLong(multiplier);
    }

    /**
     * @throws ErrnoException EINVAL for what no device has
     * @throws java.nio.BufferUnderflowException when it ends too early
     */
    static VirtioStructures read(ByteBuffer from) {
        VirtioStructures read = new VirtioStructures(
                Structure.read(from, VIRTIO_PCI_COMMON_SIZE),
                Structure.read(from, DOORBELL_SIZE),
                Structure.read(from, MIN_DEVICE_CONFIG),
                from.getLong());
        if (read.multiplier < 0 || read.multiplier > MAX_MULTIPLIER) {
            throw new ErrnoException(EINVAL, "state of a virtio device: doorbells " + read.multiplier + " apart");
        }
        return read;
    }

    /** Reads configuration space. */
    @FunctionalInterface
    interface Config {
        long read(int offset, int width);
    }

    /** @throws ErrnoException ENODEV when a structure is missing; EPROTO when the capability list has no end */
    static VirtioStructures find(VfioDeviceFile file, Config config) {
        Structure common = null;
        Structure notify = null;
        Structure device = null;
        long multiplier = 0;
        int left = (CONFIG_SPACE - FIRST_CAPABILITY) / CAPABILITY_ALIGNMENT;
        boolean listed = (config.read(PCI_STATUS, 2) & PCI_STATUS_CAP_LIST) != 0;
        int at = listed ? pointer(config, PCI_CAPABILITY_LIST) : 0;
        for (; at >= FIRST_CAPABILITY; at = pointer(config, at + 1)) {
            if (left-- == 0) {
                throw new ErrnoException(EPROTO, "the list of PCI capabilities has no end");
            }
            if (config.read(at, 1) != PCI_CAP_ID_VNDR) {
                continue;
            }
            switch ((int) config.read(at + VIRTIO_PCI_CAP_CFG_TYPE, 1)) {
                case VIRTIO_PCI_CAP_COMMON_CFG ->
                    common = common != null ? common : structure(file, config, at, VIRTIO_PCI_COMMON_SIZE);
                case VIRTIO_PCI_CAP_DEVICE_CFG ->
                    device = device != null ? device : structure(file, config, at, MIN_DEVICE_CONFIG);
                case VIRTIO_PCI_CAP_NOTIFY_CFG -> {
                    if (notify == null && at + VIRTIO_PCI_NOTIFY_CAP_MULT + 4 <= CONFIG_SPACE) {
                        notify = structure(file, config, at, DOORBELL_SIZE);
                        multiplier = config.read(at + VIRTIO_PCI_NOTIFY_CAP_MULT, 4);
                    }
                }
                default -> {}
            }
        }
        if (common == null || notify == null || device == null) {
            throw new ErrnoException(
                    ENODEV,
                    "the virtio device has no usable " + missing(common, "common ") + missing(notify, "notification ")
                            + missing(device, "device ") + "configuration structure");
        }
        return new VirtioStructures(common, notify, device, multiplier);
    }

    int notifyRegion() {
        return doorbells.region();
    }

    /**
     * Where in {@link #notifyRegion} a queue's doorbell is.
     *
     * @param queueNotifyOff what the queue says about it
     * @throws ErrnoException EPROTO when that is past the end of the doorbells
     */
    long doorbell(long queueNotifyOff) {
        long at = queueNotifyOff * multiplier;
        if (at > doorbells.length() - DOORBELL_SIZE) {
            throw new ErrnoException(
                    EPROTO, "virtio doorbell at " + at + ": there are " + doorbells.length() + " bytes of doorbells");
        }
        return doorbells.offset() + at;
    }

    /** Whether that is what {@link #doorbell} may return. */
    boolean isDoorbell(long offset) {
        return offset >= doorbells.offset() && offset - doorbells.offset() <= doorbells.length() - DOORBELL_SIZE;
    }

    private static String missing(@Nullable Structure structure, String name) {
        return structure == null ? name : "";
    }

    private static int pointer(Config config, int at) {
        return (int) config.read(at, 1) & -CAPABILITY_ALIGNMENT;
    }

    private static @Nullable Structure structure(VfioDeviceFile file, Config config, int at, int minLength) {
        if (at + VIRTIO_PCI_CAP_LENGTH + 4 > CONFIG_SPACE || config.read(at + VIRTIO_PCI_CAP_LEN, 1) < 16) {
            return null;
        }
        int bar = (int) config.read(at + VIRTIO_PCI_CAP_BAR, 1);
        long offset = config.read(at + VIRTIO_PCI_CAP_OFFSET, 4);
        long length = config.read(at + VIRTIO_PCI_CAP_LENGTH, 4);
        // Both are 32 bits wide, so that their sum cannot overflow.
        if (bar > VFIO_PCI_BAR5_REGION_INDEX
                || length < minLength
                || offset + length > file.regionInfo(bar).sizeBytes()) {
            return null;
        }
        return new Structure(bar, offset, length);
    }
}
