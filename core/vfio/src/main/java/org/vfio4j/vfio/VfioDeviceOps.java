package org.vfio4j.vfio;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;

/**
 * What a driver gives VFIO for its device: {@code struct vfio_device_ops} (linux/vfio.h). A driver has one object with all of
 * them, most delegated to {@code vfio-pci-core}; what it must do differently it does itself.
 *
 * <p>VFIO has checked a call before it arrives: the device is open, indices and ranges exist, flags are legal. One thread at a
 * time calls. Failures are {@link ErrnoException}s, whose errno goes to the user.
 */
public interface VfioDeviceOps {

    /** The driver's name for itself, as {@code vfio-pci}. */
    String name();

    /** First open: enables the device. */
    void openDevice();

    /** Last close: disables and resets it, and lets go of everything that the user gave. */
    void closeDevice();

    VfioDeviceInfo info();

    /** @param index below {@link VfioDeviceInfo#numRegions} */
    VfioRegionInfo regionInfo(int index);

    /** @param index below {@link VfioDeviceInfo#numIrqs} */
    VfioIrqInfo irqInfo(int index);

    /** Memory behind a region that users may map: what {@code VFIO_REGION_INFO_FLAG_MMAP} promises. It stays the driver's. */
    default Optional<VfioRegionMemory> regionMemory(int index) {
        return Optional.empty();
    }

    /** Registers of a region that can be written by signalling an eventfd. They stay the driver's. */
    default List<VfioIoEventFd> ioEventFds(int index) {
        return List.of();
    }

    /** Applies a valid request, and owns its descriptors. */
    void setIrqs(VfioIrqSet set);

    /**
     * Reads {@code count} bytes of a region into {@code buffer} from byte {@code at} on.
     *
     * @throws ErrnoException EINVAL when the region cannot be read there, EIO when the device does not decode
     */
    void read(int region, long offset, MemorySegment buffer, long at, int count);

    /** Writes {@code count} bytes of {@code buffer}, from byte {@code at} on, to a region; errors as for {@link #read}. */
    void write(int region, long offset, MemorySegment buffer, long at, int count);

    /** A feature of the device ({@code VFIO_DEVICE_FEATURE_*}); empty for one that it does not have. */
    default Optional<VfioDeviceFeature> feature(int index) {
        return Optional.empty();
    }

    /** Live migration; empty for a device that cannot. The same object for as long as the device is registered. */
    default Optional<VfioMigrationOps> migration() {
        return Optional.empty();
    }

    /** Logging of the memory that the device writes; otherwise as {@link #migration}. */
    default Optional<VfioLoggingOps> logging() {
        return Optional.empty();
    }

    /** Resets the device: {@code VFIO_DEVICE_RESET}. */
    void reset();

    /** Attaches the memory that the device may master: {@code VFIO_DEVICE_ATTACH_IOMMUFD_PT}. */
    void attachIoas(IoAddressSpace space);

    /** Takes it away again; returns when the device does no more DMA. Device state stays. */
    void detachIoas();

    /**
     * The device stays open and goes from one user to the next: ends what the one has begun and the other would not know of, low
     * power for one. Interrupts are off and there is no memory any more. Nothing by default. When it fails it is called again, until it
     * succeeds, and nobody has the device before.
     */
    default void userLeft() {}

    /**
     * The driver wants the device back: asks the user to let go ({@code VFIO_PCI_REQ_IRQ_INDEX}).
     *
     * @param count how often it was asked before
     */
    void request(int count);
}
