package org.vfio4j.userspace.vmm;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static org.vfio4j.uapi.PciRegs.PCI_CLASS_REVISION;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_CONFIG_REGION_INDEX;

import java.lang.foreign.MemorySegment;
import org.vfio4j.userspace.dma.DmaMemory;

/**
 * What a guest asks of its disk, whatever the disk is: one queue of a driver in the guest's memory. One thread at a time. Nothing is allocated
 * for a request. Calls fail with an {@link org.vfio4j.sys.ErrnoException} as the drivers say.
 */
interface GuestDisk {

    /** Takes completions. */
    @FunctionalInterface
    interface Completion {

        /** @param result 0, or a negative errno */
        void complete(int tag, int result);
    }

    /** The kinds of disks that there are drivers for. */
    enum Kind {
        VIRTIO_BLK("virtio-blk-verify") {
            @Override
            GuestDisk open(GuestDevice device, DmaMemory memory) {
                return VirtioGuestDisk.open(device, memory);
            }

            @Override
            GuestDisk resume(GuestDevice device, DmaMemory memory, byte[] state) {
                return VirtioGuestDisk.resume(device, memory, state);
            }

            @Override
            void check(GuestDevice device, byte[] shape) {
                VirtioGuestDisk.check(device, shape);
            }
        },
        NVME("nvme-verify") {
            @Override
            GuestDisk open(GuestDevice device, DmaMemory memory) {
                return NvmeGuestDisk.open(device, memory);
            }

            @Override
            GuestDisk resume(GuestDevice device, DmaMemory memory, byte[] state) {
                return NvmeGuestDisk.resume(device, memory, state);
            }

            @Override
            void check(GuestDevice device, byte[] shape) {
                NvmeGuestDisk.check(device, shape);
            }
        };

        private static final int PCI_CLASS_NVME = 0x010802;

        private final String guestKind;

        Kind(String guestKind) {
            this.guestKind = guestKind;
        }

        /** What a device is, by its class: an NVMe controller, and otherwise a virtio disk, which its driver looks into. */
        static Kind of(GuestDevice device) {
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
        abstract GuestDisk open(GuestDevice device, DmaMemory memory);

        /** Goes on with one that is in use, and stopped. */
        abstract GuestDisk resume(GuestDevice device, DmaMemory memory, byte[] state);

        /** As {@link GuestLoader#check}. */
        abstract void check(GuestDevice device, byte[] shape);
    }

    Kind kind();

    /** For buffers. */
    DmaMemory memory();

    long capacityBytes();

    /** @return false when the queue is full */
    boolean read(long offset, long buffer, int length, int tag);

    /** @return false when the queue is full */
    boolean write(long offset, long buffer, int length, int tag);

    void kick();

    void poll(Completion handler);

    /** @return whether there is something to {@link #poll} */
    boolean await(long timeoutNs);

    int inFlight();

    /** Asks the device how it is. */
    void check();

    byte[] save();

    void forget();

    void close();
}
