package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_BOOL;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_EVENTFD;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.SharedEventFd;
import org.vfio4j.vfio.VfioIrqSet;

/**
 * The interrupts of no hardware line: {@code VFIO_PCI_ERR_IRQ_INDEX} and {@code VFIO_PCI_REQ_IRQ_INDEX}, of one vector each, and
 * the device-specific ones. They have descriptors, no masks. Safe for all threads.
 */
final class EventTriggers {

    // Guarded by this.
    private final @Nullable Fd[] eventFds;

    EventTriggers(int count) {
        this.eventFds = new Fd[count];
    }

    /** Applies a valid request with ACTION_TRIGGER, and owns its descriptors. */
    synchronized void set(VfioIrqSet set) {
        if (set.count() == 0) {
            disable();
            return;
        }
        boolean assigns = (set.flags() & VFIO_IRQ_SET_DATA_EVENTFD) != 0;
        boolean chooses = (set.flags() & VFIO_IRQ_SET_DATA_BOOL) != 0;
        for (int i = 0; i < set.count(); i++) {
            int vector = set.start() + i;
            if (assigns) {
                Optional<Fd> fd = set.eventFds().isEmpty()
                        ? Optional.empty()
                        : Optional.of(set.eventFds().get(i));
                assign(vector, fd);
            } else if (!chooses || set.bools().get(i)) {
                signal(vector);
            }
        }
    }

    /** Signals the user, if it wants to know. Returns whether it does. */
    synchronized boolean signal(int vector) {
        Fd target = eventFds[vector];
        if (target != null) {
            SharedEventFd.signal(target.value());
        }
        return target != null;
    }

    /** Signals the user, and drops its descriptor. */
    synchronized void signalOnce(int vector) {
        signal(vector);
        assign(vector, Optional.empty());
    }

    synchronized void disable() {
        for (int i = 0; i < eventFds.length; i++) {
            assign(i, Optional.empty());
        }
    }

    /** Gives a vector a descriptor to signal, or none, and owns it. */
    synchronized void assign(int vector, Optional<Fd> newEventFd) {
        Fd old = eventFds[vector];
        eventFds[vector] = newEventFd.orElse(null);
        if (old != null) {
            old.close();
        }
    }
}
