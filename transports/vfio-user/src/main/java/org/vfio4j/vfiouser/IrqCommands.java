package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_MASK;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_UNMASK;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_BOOL;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_EVENTFD;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_NONE;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_TYPE_MASK;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.uapi.VfioUser.IrqSet;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioIrqSet;

/** DEVICE_SET_IRQS: gathers what the message says; the device file judges whether it makes sense. */
final class IrqCommands {

    private final VfioDeviceFile file;
    private final ClientIrqs irqs = new ClientIrqs();

    IrqCommands(VfioDeviceFile file) {
        this.file = file;
    }

    void setIrqs(Message request) {
        apply(parse(request));
    }

    /**
     * What a request says.
     *
     * @return with the request's descriptors
     */
    static VfioIrqSet parse(Message request) {
        request.requireArgsz(IrqSet.SIZEOF);
        int flags = request.u32(IrqSet.FLAGS);
        int index = request.u32(IrqSet.INDEX);
        int start = request.u32(IrqSet.START);
        int count = request.u32(IrqSet.COUNT);
        int data = flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
        if (data != VFIO_IRQ_SET_DATA_EVENTFD && request.fdCount() != 0) {
            throw new ErrnoException(
                    EINVAL,
                    "SET_IRQS: " + request.fdCount() + " descriptors with data flags 0x" + Integer.toHexString(data));
        }
        List<Boolean> bools = data == VFIO_IRQ_SET_DATA_BOOL ? bools(request, count) : List.of();
        return new VfioIrqSet(flags, index, start, count, descriptors(request), bools);
    }

    /** What the client has set up. */
    ClientIrqs irqs() {
        return irqs;
    }

    /** Carries out a request, and remembers it. */
    void apply(VfioIrqSet set) {
        List<Fd> copies = copies(set);
        try {
            file.setIrqs(set);
        } catch (RuntimeException e) {
            copies.forEach(Fd::close);
            throw e;
        }
        irqs.done(set, copies);
    }

    /** Sets an index up as a client had done at another server, whose descriptors these are: they become this object's. */
    void takeOver(int index, ClientHandover.Irqs set) {
        for (Map.Entry<Integer, Fd> trigger : set.triggers().entrySet()) {
            apply(VfioIrqSet.eventFds(
                    VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
                    index,
                    trigger.getKey(),
                    1,
                    List.of(trigger.getValue())));
        }
        set.unmask()
                .ifPresent(fd -> apply(VfioIrqSet.eventFds(
                        VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, index, 0, 1, List.of(fd))));
        set.masked().stream()
                .forEach(vector ->
                        apply(VfioIrqSet.none(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK, index, vector, 1)));
    }

    private static List<Fd> copies(VfioIrqSet set) {
        try {
            return ClientIrqs.copies(set);
        } catch (RuntimeException e) {
            set.closeEventFds();
            throw e;
        }
    }

    /**
     * Takes back all that a client has set: its descriptors are closed.
     *
     * @throws ErrnoException what the first index says that cannot be disabled; the others are all the same
     */
    static void disableAll(VfioDeviceFile file) {
        List<ErrnoException> failures = new ArrayList<>();
        for (int index = 0; index < file.info().numIrqs(); index++) {
            try {
                disable(file, index);
            } catch (ErrnoException e) {
                failures.add(e);
            }
        }
        if (!failures.isEmpty()) {
            throw failures.getFirst();
        }
    }

    private static void disable(VfioDeviceFile file, int index) {
        if (file.irqInfo(index).count() > 0) {
            file.setIrqs(VfioIrqSet.none(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, index, 0, 0));
        }
    }

    private static List<Boolean> bools(Message request, int count) {
        int given = request.payloadSize() - IrqSet.DATA;
        if (given != count) {
            throw new ErrnoException(
                    EINVAL, "SET_IRQS: " + given + " bools for " + Integer.toUnsignedLong(count) + " vectors");
        }
        List<Boolean> bools = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            bools.add(request.u8(IrqSet.DATA + i) != 0);
        }
        return bools;
    }

    private static List<Fd> descriptors(Message request) {
        List<Fd> fds = new ArrayList<>(request.fdCount());
        for (int i = 0; i < request.fdCount(); i++) {
            fds.add(request.takeFd(i));
        }
        return fds;
    }
}
