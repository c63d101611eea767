package org.vfio4j.virtio.testing;

import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MEMORY;
import static org.vfio4j.virtio.VirtioConfig.*;
import static org.vfio4j.virtio.VirtioPci.*;

import java.util.function.BooleanSupplier;
import org.vfio4j.bus.PciFunction;

/** A driver of a virtio function, for tests: goes through the transport's registers as the specification says. */
public final class VirtioDriver {

    public static final int BAR = 4;
    public static final int ISR = 0x1000;
    public static final int DEVICE = 0x2000;
    public static final int NOTIFY = 0x3000;

    private final PciFunction function;

    public VirtioDriver(PciFunction function) {
        this.function = function;
    }

    public PciFunction function() {
        return function;
    }

    public long read(int offset, int width) {
        return function.barRead(BAR, offset, width);
    }

    public void write(int offset, int width, long value) {
        function.barWrite(BAR, offset, width, value);
    }

    public int status() {
        return (int) read(VIRTIO_PCI_COMMON_STATUS, 1);
    }

    public void setStatus(int bits) {
        write(VIRTIO_PCI_COMMON_STATUS, 1, bits);
    }

    public void addStatus(int bits) {
        setStatus(status() | bits);
    }

    /** Resets the device and waits until it has. */
    public void reset() {
        setStatus(0);
        await("reset", () -> status() == 0);
    }

    public void setMaster(boolean on) {
        function.configWrite(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | (on ? PCI_COMMAND_MASTER : 0));
    }

    public long deviceFeatures() {
        write(VIRTIO_PCI_COMMON_DFSELECT, 4, 0);
        long low = read(VIRTIO_PCI_COMMON_DF, 4);
        write(VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
        return low | read(VIRTIO_PCI_COMMON_DF, 4) << 32;
    }

    public void setDriverFeatures(long features) {
        write(VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
        write(VIRTIO_PCI_COMMON_GF, 4, features & 0xffff_ffffL);
        write(VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
        write(VIRTIO_PCI_COMMON_GF, 4, features >>> 32);
    }

    /** From reset to accepted features. Returns what was agreed on. */
    public long negotiate(long wanted) {
        reset();
        setMaster(true);
        addStatus(VIRTIO_CONFIG_S_ACKNOWLEDGE);
        addStatus(VIRTIO_CONFIG_S_DRIVER);
        long features = deviceFeatures() & wanted;
        setDriverFeatures(features);
        addStatus(VIRTIO_CONFIG_S_FEATURES_OK);
        if ((status() & VIRTIO_CONFIG_S_FEATURES_OK) == 0) {
            throw new AssertionError("features 0x" + Long.toHexString(features) + " were refused");
        }
        return features;
    }

    public void setUpQueue(int index, DriverRing ring, int vector) {
        write(VIRTIO_PCI_COMMON_Q_SELECT, 2, index);
        write(VIRTIO_PCI_COMMON_Q_SIZE, 2, ring.size());
        write(VIRTIO_PCI_COMMON_Q_MSIX, 2, vector);
        write(VIRTIO_PCI_COMMON_Q_DESCLO, 8, ring.desc());
        write(VIRTIO_PCI_COMMON_Q_AVAILLO, 4, ring.avail() & 0xffff_ffffL);
        write(VIRTIO_PCI_COMMON_Q_AVAILHI, 4, ring.avail() >>> 32);
        write(VIRTIO_PCI_COMMON_Q_USEDLO, 8, ring.used());
        write(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
    }

    public void driverOk() {
        addStatus(VIRTIO_CONFIG_S_DRIVER_OK);
    }

    public void notifyQueue(int index) {
        write(NOTIFY + 4 * index, 2, index);
    }

    /** Waits until something holds. */
    public static void await(String what, BooleanSupplier holds) {
        long deadline = System.nanoTime() + 10_000_000_000L;
        while (!holds.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError(what + ": not within 10 s");
            }
            Thread.yield();
        }
    }
}
