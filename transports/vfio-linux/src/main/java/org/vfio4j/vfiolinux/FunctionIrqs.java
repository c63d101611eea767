package org.vfio4j.vfiolinux;

import static org.vfio4j.uapi.Vfio.*;

import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.bus.IrqKind;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.VfioIrqSet;

/**
 * The interrupts of a {@link LinuxPciFunction}. The kernel enables them by {@code VFIO_DEVICE_SET_IRQS} and signals eventfds; a thread that
 * is there while the function's user listens passes them on.
 *
 * <p>Messages go on with a window of the user's memory online, as the sink wants it. A function without memory is not let master the bus,
 * and a message is a write on it: what comes then was sent before, and is dropped.
 *
 * <p>INTx is a level that the kernel tells once, and masks: the level is high from then until the user unmasks it. The kernel is told by
 * another eventfd, which it watches itself, so that nobody waits, and tells the level again while there is one.
 */
final class FunctionIrqs implements AutoCloseable {

    private final String name;
    private final FunctionFile file;

    // Held while something is passed on, and while it changes where to.
    private final ReentrantLock passing = new ReentrantLock();
    private IrqSink sink = IrqSink.NONE; // guarded by passing
    private boolean asserted; // guarded by passing
    private @Nullable DmaWindow window; // guarded by passing
    private @Nullable Fd unmask; // guarded by passing

    // The user's thread only.
    private IrqKind kind = IrqKind.NONE;
    private int vectors;
    private @Nullable IrqEvents events;

    FunctionIrqs(String name, FunctionFile file) {
        this.name = name;
        this.file = file;
    }

    void connect(IrqSink newSink) {
        passing.lock();
        try {
            sink = newSink;
            if (asserted) {
                sink.intx(true);
            }
        } finally {
            passing.unlock();
        }
    }

    /** The function has this memory from now on. */
    void attach(DmaSpace space) {
        setWindow(space.openWindow());
    }

    /** It has none. */
    void detach() {
        setWindow(null);
    }

    private void setWindow(@Nullable DmaWindow newWindow) {
        passing.lock();
        try {
            DmaWindow old = window;
            window = newWindow;
            if (old != null) {
                old.close();
            }
        } finally {
            passing.unlock();
        }
    }

    /** As {@link org.vfio4j.bus.PciFunction#useIrqs}. */
    void use(IrqKind newKind, int count) {
        int before = newKind == kind ? vectors : 0;
        disable();
        if (newKind == IrqKind.NONE) {
            return;
        }
        try {
            enable(newKind, count);
        } catch (ErrnoException e) {
            enableAgain(newKind, before, e);
            throw e;
        }
        tellAll(before);
    }

    // More than the kernel has; those of before it had.
    private void enableAgain(IrqKind wanted, int before, ErrnoException failure) {
        if (before == 0) {
            return;
        }
        try {
            enable(wanted, before);
            tellAll(before);
        } catch (ErrnoException e) {
            failure.addSuppressed(e);
        }
    }

    // What the function has sent while its messages were off is lost. One too many does no harm.
    private void tellAll(int count) {
        IrqEvents now = events;
        for (int i = 0; now != null && i < count; i++) {
            now.signal(i);
        }
    }

    /** As {@link org.vfio4j.bus.PciFunction#unmaskIntx}. */
    void unmaskIntx() {
        passing.lock();
        try {
            lower();
            Fd target = unmask;
            if (target != null) {
                EventFd.signal(target.value());
            }
        } finally {
            passing.unlock();
        }
    }

    /** The function has reported an error that it cannot mend. Any thread. */
    void error() {
        passing.lock();
        try {
            sink.error();
        } finally {
            passing.unlock();
        }
    }

    /** The level is low until the kernel tells it again. */
    void lowerIntx() {
        passing.lock();
        try {
            lower();
        } finally {
            passing.unlock();
        }
    }

    private void lower() {
        if (asserted) {
            asserted = false;
            sink.intx(false);
        }
    }

    private void enable(IrqKind newKind, int count) {
        IrqEvents made = new IrqEvents("vfio-irqs " + name, count, new Passing(newKind));
        IrqKind enabled = IrqKind.NONE;
        try {
            assign(VFIO_IRQ_SET_ACTION_TRIGGER, index(newKind), made.duplicates());
            enabled = newKind;
            if (newKind == IrqKind.INTX) {
                unmaskBy(EventFd.create());
            }
        } catch (ErrnoException e) {
            disable(enabled, made);
            throw e;
        }
        kind = newKind;
        vectors = count;
        events = made;
    }

    private void unmaskBy(Fd eventFd) {
        try {
            assign(VFIO_IRQ_SET_ACTION_UNMASK, VFIO_PCI_INTX_IRQ_INDEX, List.of(eventFd.dup()));
        } catch (ErrnoException e) {
            eventFd.close();
            throw e;
        }
        setUnmask(eventFd);
    }

    private void setUnmask(@Nullable Fd eventFd) {
        passing.lock();
        try {
            Fd old = unmask;
            unmask = eventFd;
            if (old != null) {
                old.close();
            }
        } finally {
            passing.unlock();
        }
    }

    private void assign(int action, int index, List<Fd> eventFds) {
        int flags = VFIO_IRQ_SET_DATA_EVENTFD | action;
        file.setIrqs(VfioIrqSet.eventFds(flags, index, 0, eventFds.size(), eventFds));
    }

    private void disable() {
        IrqEvents old = events;
        if (old != null) {
            IrqKind enabled = kind;
            events = null;
            kind = IrqKind.NONE;
            vectors = 0;
            disable(enabled, old);
        }
    }

    private void disable(IrqKind enabled, IrqEvents old) {
        try {
            if (enabled != IrqKind.NONE) {
                int flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
                file.setIrqs(VfioIrqSet.none(flags, index(enabled), 0, 0));
            }
        } finally {
            old.close();
            setUnmask(null);
            lowerIntx();
        }
    }

    private static int index(IrqKind kind) {
        return switch (kind) {
            case INTX -> VFIO_PCI_INTX_IRQ_INDEX;
            case MSI -> VFIO_PCI_MSI_IRQ_INDEX;
            default -> VFIO_PCI_MSIX_IRQ_INDEX;
        };
    }

    @Override
    public void close() {
        disable();
        detach();
    }

    /** On the thread of the events. */
    private final class Passing implements IrqEvents.Receiver {

        private final IrqKind as;

        Passing(IrqKind as) {
            this.as = as;
        }

        @Override
        public void begin() {
            passing.lock();
            if (window != null) {
                window.enter();
            }
        }

        @Override
        public void event(int event) {
            if (as == IrqKind.INTX) {
                asserted = true;
                sink.intx(true);
            } else if (window != null) {
                sink.msi(event);
            }
        }

        @Override
        public void end() {
            if (window != null) {
                window.leave();
            }
            passing.unlock();
        }
    }
}
