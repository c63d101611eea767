package org.vfio4j.it;

import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_EVENTFD;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_NONE;

import java.util.List;
import java.util.stream.Stream;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Poll;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioIrqSet;

/**
 * The first vectors of an interrupt index, each with an eventfd.
 *
 * @param eventFds by vector
 */
record HostInterrupts(VfioDeviceFile file, int index, List<Fd> eventFds) implements AutoCloseable {

    private static final long PATIENCE_NS = 20_000_000_000L;

    /** For what must not come. */
    private static final long PAUSE_NS = 300_000_000;

    static HostInterrupts set(VfioDeviceFile file, int index, int count) {
        List<Fd> eventFds = Stream.generate(EventFd::create).limit(count).toList();
        HostInterrupts interrupts = new HostInterrupts(file, index, eventFds);
        try {
            file.setIrqs(VfioIrqSet.eventFds(
                    VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
                    index,
                    0,
                    count,
                    eventFds.stream().map(Fd::dup).toList()));
            return interrupts;
        } catch (RuntimeException e) {
            eventFds.forEach(Fd::close);
            throw e;
        }
    }

    void expectOne(int vector) {
        int fd = eventFds.get(vector).value();
        HostChecks.expect("an interrupt of vector " + vector, Poll.poll(fd, Poll.POLLIN, PATIENCE_NS) == Poll.POLLIN);
        HostChecks.expectEqual("interrupts of vector " + vector, 1L, EventFd.drain(fd));
    }

    void expectNone(int vector) {
        int fd = eventFds.get(vector).value();
        HostChecks.expectEqual("interrupts of vector " + vector, 0, Poll.poll(fd, Poll.POLLIN, PAUSE_NS));
    }

    void with(int flags, int start, int count) {
        file.setIrqs(VfioIrqSet.none(flags, index, start, count));
    }

    /** Takes all vectors away. */
    @Override
    public void close() {
        try {
            with(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0);
        } finally {
            eventFds.forEach(Fd::close);
        }
    }
}
