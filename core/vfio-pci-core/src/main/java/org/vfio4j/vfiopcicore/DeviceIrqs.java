package org.vfio4j.vfiopcicore;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_NUM_IRQS;

import java.util.ArrayList;
import java.util.List;
import org.vfio4j.sys.ErrnoException;

/**
 * The device-specific interrupt indices. They come and go as {@link Regions} do, and are used by the same threads; their
 * signalling is safe for all.
 */
final class DeviceIrqs {

    private final List<VfioPciDevIrq> added = new ArrayList<>();
    private int permanent;

    int count() {
        return VFIO_PCI_NUM_IRQS + added.size();
    }

    /** @throws ErrnoException EINVAL when {@code vectors} is not positive */
    VfioPciDevIrq add(int type, int subtype, int vectors) {
        if (vectors <= 0) {
            throw new ErrnoException(EINVAL, "register an interrupt index of " + vectors + " vectors");
        }
        VfioPciDevIrq irq = new VfioPciDevIrq(count(), type, subtype, vectors);
        added.add(irq);
        return irq;
    }

    /** @param index from {@code VFIO_PCI_NUM_IRQS} on, below {@link #count} */
    VfioPciDevIrq get(int index) {
        return added.get(index - VFIO_PCI_NUM_IRQS);
    }

    void open() {
        permanent = added.size();
    }

    /** Closes every descriptor, and drops what was registered since {@link #open}. */
    void close() {
        added.forEach(irq -> irq.triggers().disable());
        added.subList(permanent, added.size()).clear();
    }
}
