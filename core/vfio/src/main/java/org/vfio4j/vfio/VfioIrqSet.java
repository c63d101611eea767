package org.vfio4j.vfio;

import java.util.List;
import org.vfio4j.sys.Fd;

/**
 * {@code struct vfio_irq_set} (linux/vfio.h): configure, mask, unmask or trigger vectors of one interrupt index.
 *
 * <p>Whoever is handed one owns its descriptors: those it does not keep it closes, also when it refuses the request.
 *
 * @param flags exactly one {@code VFIO_IRQ_SET_DATA_*} and one {@code VFIO_IRQ_SET_ACTION_*}
 * @param index {@code VFIO_PCI_*_IRQ_INDEX}
 * @param start first vector
 * @param count vectors; an unsigned 32-bit number on the wire, so a negative one is beyond every limit
 * @param eventFds with DATA_EVENTFD: one for each vector, or none at all to take them away
 * @param bools with DATA_BOOL: for each vector whether the action applies
 */
public record VfioIrqSet(int flags, int index, int start, int count, List<Fd> eventFds, List<Boolean> bools) {

    public VfioIrqSet {
        eventFds = List.copyOf(eventFds);
        bools = List.copyOf(bools);
    }

    /** Without data. */
    public static VfioIrqSet none(int flags, int index, int start, int count) {
        return new VfioIrqSet(flags, index, start, count, List.of(), List.of());
    }

    /** With event descriptors, or with none to take the vectors' descriptors away. */
    public static VfioIrqSet eventFds(int flags, int index, int start, int count, List<Fd> eventFds) {
        return new VfioIrqSet(flags, index, start, count, eventFds, List.of());
    }

    /** With a choice of vectors. */
    public static VfioIrqSet bools(int flags, int index, int start, int count, List<Boolean> bools) {
        return new VfioIrqSet(flags, index, start, count, List.of(), bools);
    }

    /** Closes the descriptors: for whoever refuses the request. */
    public void closeEventFds() {
        eventFds.forEach(Fd::close);
    }
}
