package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_BOOL;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_EVENTFD;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.VfioIrqSet;

/**
 * The interrupts of no hardware line: {@code VFIO_PCI_ERR_IRQ_INDEX} and {@code VFIO_PCI_REQ_IRQ_INDEX}, one vector each. Safe
 * for all threads.
 */
final class EventTrigger {

    // Guarded by this.
    private @Nullable Fd eventFd;

    /** Applies a valid request with ACTION_TRIGGER, and owns its descriptors. */
    synchronized void set(VfioIrqSet set) {
        if ((set.flags() & VFIO_IRQ_SET_DATA_EVENTFD) != 0) {
            assign(set.eventFds().stream().findFirst());
        } else if (set.count() == 0) {
            disable();
        } else if ((set.flags() & VFIO_IRQ_SET_DATA_BOOL) == 0 || set.bools().getFirst()) {
            signal();
        }
    }

    /** Signals the user, if it wants to know. Returns whether it does. */
    synchronized boolean signal() {
        Fd target = eventFd;
        if (target != null) {
            EventFd.signal(target.value());
        }
        return target != null;
    }

    synchronized void disable() {
        assign(Optional.empty());
    }

    private void assign(Optional<Fd> newEventFd) {
        Fd old = eventFd;
        eventFd = newEventFd.orElse(null);
        if (old != null) {
            old.close();
        }
    }
}
