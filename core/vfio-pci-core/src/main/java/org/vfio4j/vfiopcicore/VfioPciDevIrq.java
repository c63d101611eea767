package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.Vfio.VFIO_IRQ_INFO_CAP_TYPE;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_INFO_EVENTFD;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_INFO_NORESIZE;

import java.util.List;
import org.vfio4j.vfio.VfioInfoCapability;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioRegionCapabilities;

/**
 * A device-specific interrupt index, by which a driver tells its user something that is no interrupt of the function's. Safe for
 * all threads.
 */
public final class VfioPciDevIrq {

    private final VfioIrqInfo info;
    private final EventTriggers triggers;

    VfioPciDevIrq(int index, int type, int subtype, int count) {
        byte[] body = VfioRegionCapabilities.type(type, subtype).body();
        this.info = new VfioIrqInfo(
                index,
                VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE,
                count,
                List.of(new VfioInfoCapability(VFIO_IRQ_INFO_CAP_TYPE, 1, body)));
        this.triggers = new EventTriggers(count);
    }

    /** Its interrupt index. */
    public int index() {
        return info.index();
    }

    /**
     * Signals a vector's eventfd. Never blocks.
     *
     * @param vector below the count it was registered with
     * @return whether the user has given one
     */
    public boolean signal(int vector) {
        return triggers.signal(vector);
    }

    VfioIrqInfo info() {
        return info;
    }

    EventTriggers triggers() {
        return triggers;
    }
}
