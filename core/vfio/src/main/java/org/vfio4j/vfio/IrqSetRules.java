package org.vfio4j.vfio;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_INFO_MASKABLE;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_MASK;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_TYPE_MASK;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_UNMASK;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_BOOL;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_EVENTFD;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_NONE;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_TYPE_MASK;

import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;

/**
 * What every {@code VFIO_DEVICE_SET_IRQS} request must keep to, whatever the device: the checks of the kernel's
 * vfio_set_irqs_validate_and_prepare, and those that vfio-user's servers add. Stateless.
 */
final class IrqSetRules {

    private IrqSetRules() {}

    /** @throws ErrnoException EINVAL, naming the rule that {@code set} breaks */
    static void check(VfioIrqSet set, VfioIrqInfo info) {
        int known = VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK;
        if ((set.flags() & ~known) != 0) {
            throw refused(set, "unknown flags");
        }
        int data = set.flags() & VFIO_IRQ_SET_DATA_TYPE_MASK;
        int action = set.flags() & VFIO_IRQ_SET_ACTION_TYPE_MASK;
        if (Integer.bitCount(data) != 1) {
            throw refused(set, "exactly one kind of data is needed");
        }
        if (Integer.bitCount(action) != 1) {
            throw refused(set, "exactly one action is needed");
        }
        checkData(set, data);
        if (set.count() == 0) {
            checkDisable(set, data, action);
            return;
        }
        boolean masks = action == VFIO_IRQ_SET_ACTION_MASK || action == VFIO_IRQ_SET_ACTION_UNMASK;
        if (masks && (info.flags() & VFIO_IRQ_INFO_MASKABLE) == 0) {
            throw refused(set, "this index cannot be masked");
        }
        long end = Integer.toUnsignedLong(set.start()) + Integer.toUnsignedLong(set.count());
        if (end > info.count()) {
            throw refused(set, "the index has " + info.count() + " vectors");
        }
    }

    private static void checkData(VfioIrqSet set, int data) {
        int fds = set.eventFds().size();
        if (data == VFIO_IRQ_SET_DATA_EVENTFD) {
            if (fds != 0 && fds != set.count()) {
                throw refused(set, fds + " descriptors: one for each vector, or none, is the rule");
            }
            // Anything else, such as a file of the user's own file system, could hold up the thread that signals it.
            if (!set.eventFds().stream().allMatch(EventFd::isEventFd)) {
                throw refused(set, "a descriptor is no eventfd");
            }
        } else if (fds != 0) {
            throw refused(set, fds + " descriptors where none belong");
        }
        int bools = set.bools().size();
        int expected = data == VFIO_IRQ_SET_DATA_BOOL ? set.count() : 0;
        if (bools != expected) {
            throw refused(set, bools + " bools instead of " + Integer.toUnsignedLong(expected));
        }
    }

    /** No vectors: the one meaning that it has is to disable the whole index. */
    private static void checkDisable(VfioIrqSet set, int data, int action) {
        boolean disable = data == VFIO_IRQ_SET_DATA_NONE && action == VFIO_IRQ_SET_ACTION_TRIGGER && set.start() == 0;
        if (!disable) {
            throw refused(set, "a count of 0 goes with DATA_NONE, ACTION_TRIGGER and start 0 only");
        }
    }

    private static ErrnoException refused(VfioIrqSet set, String why) {
        return new ErrnoException(
                EINVAL,
                "set irqs, index " + set.index() + " start " + Integer.toUnsignedLong(set.start()) + " count "
                        + Integer.toUnsignedLong(set.count()) + " flags 0x" + Integer.toHexString(set.flags()) + ": "
                        + why);
    }
}
