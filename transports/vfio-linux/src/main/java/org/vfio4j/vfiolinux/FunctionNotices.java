package org.vfio4j.vfiolinux;

import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_EVENTFD;

import java.util.ArrayList;
import java.util.List;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VirqFd;

/**
 * What the kernel tells of an open function beside its interrupts: {@code VFIO_PCI_ERR_IRQ_INDEX} and {@code VFIO_PCI_REQ_IRQ_INDEX}. They are
 * heard from open to close, whatever the function's user listens to and whether or not there is one. The handlers run on the thread of
 * {@link VirqFd}.
 */
final class FunctionNotices implements AutoCloseable {

    private final List<VirqFd> watched = new ArrayList<>();

    /** Listens to an index of one vector, if the device has it. */
    void listen(VfioDeviceFile device, int index, Runnable handler) {
        if (device.irqInfo(index).count() == 0) {
            return;
        }
        Fd eventFd = EventFd.create();
        try {
            device.setIrqs(VfioIrqSet.eventFds(
                    VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, index, 0, 1, List.of(eventFd.dup())));
            watched.add(VirqFd.watch(eventFd, handler));
        } catch (ErrnoException e) {
            eventFd.close();
            throw e;
        }
    }

    /** When this returns no handler runs, nor will. */
    @Override
    public void close() {
        watched.forEach(VirqFd::close);
        watched.clear();
    }
}
