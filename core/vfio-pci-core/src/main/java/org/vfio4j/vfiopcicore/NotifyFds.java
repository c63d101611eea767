package org.vfio4j.vfiopcicore;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.vfio4j.bus.BarNotification;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.VfioIoEventFd;
import org.vfio4j.vfio.VirqFd;

/**
 * Eventfds for a function's notification registers, for one user: made when it asks for them, gone with it. The thread that watches
 * all such eventfds of the process rings. Used by the user's thread.
 */
final class NotifyFds {

    private final PciFunction function;
    private final Map<Integer, List<VfioIoEventFd>> byBar = new HashMap<>();
    private final List<VirqFd> watched = new ArrayList<>();

    NotifyFds(PciFunction function) {
        this.function = function;
    }

    /** One for each notification register of a BAR; the same ones when it is asked again. */
    List<VfioIoEventFd> of(int bar) {
        List<VfioIoEventFd> known = byBar.get(bar);
        if (known == null) {
            known = function.notifications(bar).stream().map(this::watch).toList();
            byBar.put(bar, known);
        }
        return known;
    }

    /** The user is gone: whoever has kept an eventfd of it rings in vain. */
    void close() {
        byBar.clear();
        watched.forEach(VirqFd::close);
        watched.clear();
    }

    private VfioIoEventFd watch(BarNotification notification) {
        Fd eventFd = EventFd.create();
        try {
            watched.add(VirqFd.watch(eventFd, notification.ring()));
        } catch (ErrnoException e) {
            eventFd.close();
            throw e;
        }
        return new VfioIoEventFd(notification.offset(), notification.width(), 0, 0, eventFd);
    }
}
