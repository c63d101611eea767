package org.vfio4j.vfiolinux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FLAGS_CAPS;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_CAPS;
import static org.vfio4j.uapi.VfioIoctl.VFIO_DEVICE_GET_INFO;
import static org.vfio4j.uapi.VfioIoctl.VFIO_DEVICE_GET_IRQ_INFO;
import static org.vfio4j.uapi.VfioIoctl.VFIO_DEVICE_GET_REGION_INFO;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.VfioUser;
import org.vfio4j.vfio.VfioDeviceInfo;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioRegionInfo;

/** What a device consists of. It is asked once, when the device is opened: regions and interrupts stay as they are. Immutable. */
final class DeviceInfo {

    /**
     * A region, and where it is in the device's descriptor.
     *
     * @param position of its first byte
     */
    record Region(VfioRegionInfo info, long position) {}

    private final String name;
    private final VfioDeviceInfo device;
    private final Region[] regions;
    private final VfioIrqInfo[] irqs;

    /** @param name the device's, for messages */
    DeviceInfo(String name, KernelCalls kernel) {
        this.name = name;
        device = askDevice(kernel);
        regions = new Region[device.numRegions()];
        for (int i = 0; i < regions.length; i++) {
            regions[i] = askRegion(kernel, i);
        }
        irqs = new VfioIrqInfo[device.numIrqs()];
        for (int i = 0; i < irqs.length; i++) {
            irqs[i] = askIrq(kernel, i);
        }
    }

    VfioDeviceInfo device() {
        return device;
    }

    /** @throws ErrnoException EINVAL for an index that the device does not have */
    Region region(int index) {
        if (index < 0 || index >= regions.length) {
            throw new ErrnoException(
                    EINVAL, name + ": region " + Integer.toUnsignedLong(index) + " of " + regions.length);
        }
        return regions[index];
    }

    /** @throws ErrnoException EINVAL for an index that the device does not have */
    VfioIrqInfo irq(int index) {
        if (index < 0 || index >= irqs.length) {
            throw new ErrnoException(
                    EINVAL, name + ": irq index " + Integer.toUnsignedLong(index) + " of " + irqs.length);
        }
        return irqs[index];
    }

    private static VfioDeviceInfo askDevice(KernelCalls kernel) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment answer = SizedAnswer.ask(kernel, arena, VFIO_DEVICE_GET_INFO, question -> {});
            int flags = answer.get(JAVA_INT, VfioUser.DeviceInfo.FLAGS);
            return new VfioDeviceInfo(
                    flags & ~VFIO_DEVICE_FLAGS_CAPS,
                    answer.get(JAVA_INT, VfioUser.DeviceInfo.NUM_REGIONS),
                    answer.get(JAVA_INT, VfioUser.DeviceInfo.NUM_IRQS),
                    SizedAnswer.capabilities(
                            answer, (flags & VFIO_DEVICE_FLAGS_CAPS) != 0, VfioUser.DeviceInfoCaps.CAP_OFFSET));
        }
    }

    private static Region askRegion(KernelCalls kernel, int index) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment answer = SizedAnswer.ask(
                    kernel,
                    arena,
                    VFIO_DEVICE_GET_REGION_INFO,
                    question -> question.set(JAVA_INT, VfioUser.RegionInfo.INDEX, index));
            int flags = answer.get(JAVA_INT, VfioUser.RegionInfo.FLAGS);
            VfioRegionInfo info = new VfioRegionInfo(
                    index,
                    flags & ~VFIO_REGION_INFO_FLAG_CAPS,
                    answer.get(JAVA_LONG, VfioUser.RegionInfo.SIZE),
                    SizedAnswer.capabilities(
                            answer, (flags & VFIO_REGION_INFO_FLAG_CAPS) != 0, VfioUser.RegionInfo.CAP_OFFSET));
            return new Region(info, answer.get(JAVA_LONG, VfioUser.RegionInfo.OFFSET));
        } catch (ErrnoException e) {
            // A function without VGA has its index all the same, and its kernel says EINVAL.
            if (e.errno() != EINVAL) {
                throw e;
            }
            return new Region(new VfioRegionInfo(index, 0, 0), 0);
        }
    }

    private static VfioIrqInfo askIrq(KernelCalls kernel, int index) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment answer = SizedAnswer.ask(
                    kernel,
                    arena,
                    VFIO_DEVICE_GET_IRQ_INFO,
                    question -> question.set(JAVA_INT, VfioUser.IrqInfo.INDEX, index));
            return new VfioIrqInfo(
                    index, answer.get(JAVA_INT, VfioUser.IrqInfo.FLAGS), answer.get(JAVA_INT, VfioUser.IrqInfo.COUNT));
        } catch (ErrnoException e) {
            // The error interrupt is PCI Express's: others have its index, and their kernel says EINVAL.
            if (e.errno() != EINVAL) {
                throw e;
            }
            return new VfioIrqInfo(index, 0, 0);
        }
    }
}
