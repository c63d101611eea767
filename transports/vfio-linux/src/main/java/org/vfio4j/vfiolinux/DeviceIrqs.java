package org.vfio4j.vfiolinux;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOSPC;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_BOOL;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_EVENTFD;
import static org.vfio4j.uapi.VfioIoctl.VFIO_DEVICE_SET_IRQS;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.uapi.VfioUser.IrqSet;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioIrqSet;

/** Sets a device's interrupts up: the kernel signals the eventfds itself, and holds them. Stateless. */
final class DeviceIrqs {

    /** In the array of descriptors: none. */
    private static final int NO_FD = -1;

    private DeviceIrqs() {}

    /** @param info of the set's index */
    static void set(KernelCalls kernel, VfioIrqSet set, VfioIrqInfo info) {
        checkRange(set, info);
        try (Arena arena = Arena.ofConfined()) {
            int vectors = kernel.call(VFIO_DEVICE_SET_IRQS, structure(arena, set));
            // How many it could have enabled, when it has enabled none.
            if (vectors > 0) {
                throw new ErrnoException(
                        ENOSPC, what(set) + ": the machine has " + vectors + " interrupts left for the device");
            }
        }
    }

    private static void checkRange(VfioIrqSet set, VfioIrqInfo info) {
        // Before memory is taken for them.
        long end = Integer.toUnsignedLong(set.start()) + Integer.toUnsignedLong(set.count());
        if (end > info.count()) {
            throw refused(set, "the index has " + info.count() + " vectors");
        }
        if ((set.flags() & VFIO_IRQ_SET_DATA_EVENTFD) != 0
                && !set.eventFds().isEmpty()
                && set.eventFds().size() != set.count()) {
            throw refused(set, set.eventFds().size() + " descriptors");
        }
        if ((set.flags() & VFIO_IRQ_SET_DATA_BOOL) != 0 && set.bools().size() != set.count()) {
            throw refused(set, set.bools().size() + " choices");
        }
    }

    private static MemorySegment structure(Arena arena, VfioIrqSet set) {
        boolean eventFds = (set.flags() & VFIO_IRQ_SET_DATA_EVENTFD) != 0;
        boolean bools = (set.flags() & VFIO_IRQ_SET_DATA_BOOL) != 0;
        int data = eventFds ? set.count() * Integer.BYTES : bools ? set.count() : 0;
        MemorySegment structure = arena.allocate(IrqSet.SIZEOF + data, Integer.BYTES);
        structure.set(JAVA_INT, IrqSet.ARGSZ, IrqSet.SIZEOF + data);
        structure.set(JAVA_INT, IrqSet.FLAGS, set.flags());
        structure.set(JAVA_INT, IrqSet.INDEX, set.index());
        structure.set(JAVA_INT, IrqSet.START, set.start());
        structure.set(JAVA_INT, IrqSet.COUNT, set.count());
        for (int i = 0; eventFds && i < set.count(); i++) {
            structure.set(JAVA_INT, IrqSet.DATA + (long) i * Integer.BYTES, descriptor(set, i));
        }
        for (int i = 0; bools && i < set.count(); i++) {
            structure.set(JAVA_BYTE, IrqSet.DATA + (long) i, (byte) (set.bools().get(i) ? 1 : 0));
        }
        return structure;
    }

    private static int descriptor(VfioIrqSet set, int i) {
        if (set.eventFds().isEmpty()) {
            return NO_FD;
        }
        Fd fd = set.eventFds().get(i);
        return fd.isOpen() ? fd.value() : NO_FD;
    }

    private static ErrnoException refused(VfioIrqSet set, String why) {
        return new ErrnoException(EINVAL, what(set) + ": " + why);
    }

    private static String what(VfioIrqSet set) {
        long last = Integer.toUnsignedLong(set.start()) + Integer.toUnsignedLong(set.count()) - 1;
        return "set irqs " + Integer.toUnsignedLong(set.start()) + " to " + last + " of index " + set.index();
    }
}
