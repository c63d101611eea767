package org.vfio4j.userspace.vmm;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static org.vfio4j.uapi.PciRegs.PCI_CLASS_REVISION;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_CONFIG_REGION_INDEX;

import java.lang.foreign.MemorySegment;
import org.vfio4j.userspace.disk.DiskDriver;
import org.vfio4j.userspace.dma.DmaMemory;
import org.vfio4j.userspace.nvme.NvmeDriver;
import org.vfio4j.userspace.nvme.NvmeOptions;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;

/** The kinds of disks that a guest has a driver for: how it brings one into use, in its own memory and with one queue. */
enum GuestDiskKind {
    VIRTIO_BLK("virtio-blk-verify") {
        @Override
        DiskDriver open(GuestDevice device, DmaMemory memory) {
            return VirtioBlkDriver.open(device, memory, VIRTIO_BLK_OPTIONS);
        }

        @Override
        DiskDriver resume(GuestDevice device, DmaMemory memory, byte[] state) {
            return VirtioBlkDriver.resume(device, memory, state, VIRTIO_BLK_OPTIONS);
        }

        @Override
        void check(GuestDevice device, byte[] shape) {
            VirtioBlkDriver.checkFits(device, shape);
        }
    },
    NVME("nvme-verify") {
        @Override
        DiskDriver open(GuestDevice device, DmaMemory memory) {
            return NvmeDriver.open(device, memory, NVME_OPTIONS);
        }

        @Override
        DiskDriver resume(GuestDevice device, DmaMemory memory, byte[] state) {
            return NvmeDriver.resume(device, memory, state, NVME_OPTIONS);
        }

        @Override
        void check(GuestDevice device, byte[] shape) {
            NvmeDriver.checkFits(device, shape);
        }
    };

    private static final VirtioBlkOptions VIRTIO_BLK_OPTIONS =
            VirtioBlkOptions.DEFAULTS.withQueues(1).withQueueSize(256);

    /** Doorbells are in the guest's memory, where they move with it. */
    private static final NvmeOptions NVME_OPTIONS =
            NvmeOptions.DEFAULTS.withQueues(1).withQueueSize(256).withDoorbells(NvmeOptions.Doorbells.SHADOW);

    private static final int PCI_CLASS_NVME = 0x010802;

    private final String guestKind;

    GuestDiskKind(String guestKind) {
        this.guestKind = guestKind;
    }

    /** What a device is, by its class: an NVMe controller, and otherwise a virtio disk, which its driver looks into. */
    static GuestDiskKind of(GuestDevice device) {
        MemorySegment word = MemorySegment.ofArray(new byte[Integer.BYTES]);
        device.read(VFIO_PCI_CONFIG_REGION_INDEX, PCI_CLASS_REVISION, word, 0, Integer.BYTES);
        int pciClass = word.get(JAVA_INT_UNALIGNED, 0) >>> Byte.SIZE;
        return pciClass == PCI_CLASS_NVME ? NVME : VIRTIO_BLK;
    }

    /** What a guest with such a disk is, for {@link Guest#kind}. */
    String guestKind() {
        return guestKind;
    }

    /** Resets a disk and brings it into use. */
    abstract DiskDriver open(GuestDevice device, DmaMemory memory);

    /** Goes on with one that is in use, and stopped. */
    abstract DiskDriver resume(GuestDevice device, DmaMemory memory, byte[] state);

    /** As {@link GuestLoader#check}. */
    abstract void check(GuestDevice device, byte[] shape);
}
