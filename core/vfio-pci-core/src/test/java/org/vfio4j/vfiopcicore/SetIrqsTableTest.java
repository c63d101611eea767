package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOTTY;
import static org.vfio4j.uapi.Vfio.*;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.VfioIrqSet;

/** VFIO_DEVICE_SET_IRQS: every index with every kind of data and every action, in every state of the device (E6). */
class SetIrqsTableTest {

    private static final int[] DATA = {VFIO_IRQ_SET_DATA_NONE, VFIO_IRQ_SET_DATA_BOOL, VFIO_IRQ_SET_DATA_EVENTFD};
    private static final int[] ACTIONS = {
        VFIO_IRQ_SET_ACTION_MASK, VFIO_IRQ_SET_ACTION_UNMASK, VFIO_IRQ_SET_ACTION_TRIGGER
    };

    /** What is enabled already: nothing, or one of the three kinds. */
    private static final int NOTHING = -1;

    private static final int OK = 0;

    @Test
    void eachCombinationHasItsErrno() {
        Map<String, Integer> expected = new TreeMap<>();
        Map<String, Integer> actual = new TreeMap<>();
        for (int enabled = NOTHING; enabled <= VFIO_PCI_MSIX_IRQ_INDEX; enabled++) {
            for (int index = 0; index < VFIO_PCI_NUM_IRQS; index++) {
                for (int data : DATA) {
                    for (int action : ACTIONS) {
                        String name = "enabled " + enabled + ", index " + index + ", flags " + (data | action);
                        expected.put(name, expected(enabled, index, data, action));
                        actual.put(name, outcome(enabled, index, data | action));
                    }
                }
            }
        }
        assertThat(actual).isEqualTo(expected);
    }

    // From linux/vfio.h, vfio_pci_intrs.c and ADR 0007; ERR and REQ cannot be masked, which the index says itself.
    private static int expected(int enabled, int index, int data, int action) {
        boolean eventFd = data == VFIO_IRQ_SET_DATA_EVENTFD;
        boolean trigger = action == VFIO_IRQ_SET_ACTION_TRIGGER;
        if (index >= VFIO_PCI_ERR_IRQ_INDEX) {
            return trigger ? OK : EINVAL;
        }
        if (eventFd && trigger) {
            return enabled == NOTHING || enabled == index ? OK : EINVAL;
        }
        if (index == VFIO_PCI_INTX_IRQ_INDEX) {
            boolean maskByEventFd = eventFd && action == VFIO_IRQ_SET_ACTION_MASK;
            return maskByEventFd ? ENOTTY : enabled == index ? OK : EINVAL;
        }
        if (eventFd) {
            return ENOTTY;
        }
        return trigger && enabled != index ? EINVAL : OK;
    }

    private static int outcome(int enabled, int index, int flags) {
        try (OpenCore disk = OpenCore.disk()) {
            if (enabled != NOTHING) {
                disk.assign(enabled, 0, 1).forEach(Fd::close);
            }
            List<Fd> fds = new ArrayList<>();
            List<Boolean> bools = new ArrayList<>();
            if ((flags & VFIO_IRQ_SET_DATA_EVENTFD) != 0) {
                fds.add(EventFd.create());
            } else if ((flags & VFIO_IRQ_SET_DATA_BOOL) != 0) {
                bools.add(true);
            }
            try {
                disk.file.setIrqs(new VfioIrqSet(flags, index, 0, 1, fds, bools));
                return OK;
            } catch (ErrnoException e) {
                return e.errno();
            }
        }
    }
}
