package org.vfio4j.vfiouser;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_INFO_EVENTFD;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_MASK;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_UNMASK;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_BOOL;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_EVENTFD;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_NONE;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_SET_IRQS;

import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioIrqSet;

/** DEVICE_SET_IRQS: refused when malformed, with every descriptor closed; else it reaches the device as it was sent. */
class SetIrqsTest {

    private static final int NONE_TRIGGER = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
    private static final int BOOL_TRIGGER = VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER;
    private static final int MSIX = 2;
    private static final int REQ = 4;

    private final Served served = new Served();

    @AfterEach
    void close() {
        served.close();
    }

    @Test
    void refusesWhatIsMalformed() {
        assertThat(served.errnoOf(RawMessage.command(
                        VFIO_USER_DEVICE_SET_IRQS, new Payload().u32(20).u32(NONE_TRIGGER))))
                .isEqualTo(EINVAL);
        assertThat(served.errnoOf(irqs(3, NONE_TRIGGER, MSIX, 0, 1)))
                .as("argsz")
                .isEqualTo(EINVAL);
        assertThat(served.errnoOf(irqs(20, NONE_TRIGGER, 5, 0, 1))).as("index").isEqualTo(EINVAL);
        int maskAndUnmask = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_ACTION_UNMASK;
        assertThat(served.errnoOf(irqs(20, maskAndUnmask, MSIX, 0, 1))).isEqualTo(EINVAL);
        int noneAndBool = NONE_TRIGGER | VFIO_IRQ_SET_DATA_BOOL;
        assertThat(served.errnoOf(irqs(20, noneAndBool, MSIX, 0, 1))).isEqualTo(EINVAL);
        // What remains is how the server takes interrupts back from a client that has gone.
        assertThat(served.device.irqSets).allMatch(set -> set.count() == 0);
    }

    @Test
    void refusesRangesPastTheLastVector() {
        assertThat(served.errnoOf(irqs(20, NONE_TRIGGER, MSIX, 2047, 2))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(irqs(20, NONE_TRIGGER, MSIX, 2049, 1))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(irqs(20, NONE_TRIGGER, MSIX, 0, -1))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(irqs(20, NONE_TRIGGER, REQ, 0, 2))).isEqualTo(EINVAL);
        int mask = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK;
        assertThat(served.errnoOf(irqs(20, mask, REQ, 0, 1))).as("not maskable").isEqualTo(EINVAL);
    }

    @Test
    void refusesACountOfZeroThatDoesNotMeanDisable() {
        assertThat(served.errnoOf(irqs(20, NONE_TRIGGER, MSIX, 1, 0))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(irqs(20, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK, MSIX, 0, 0)))
                .isEqualTo(EINVAL);
        assertThat(served.errnoOf(irqs(20, BOOL_TRIGGER, MSIX, 0, 0))).isEqualTo(EINVAL);
    }

    @Test
    void refusesBoolsThatAreTooManyOrTooFew() {
        assertThat(served.errnoOf(irqs(21, BOOL_TRIGGER, MSIX, 0, 2, (byte) 1))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(irqs(23, BOOL_TRIGGER, MSIX, 0, 2, (byte) 1, (byte) 1, (byte) 1)))
                .isEqualTo(EINVAL);
        assertThat(served.errnoOf(irqs(21, BOOL_TRIGGER, MSIX, 0, -1, (byte) 1)))
                .isEqualTo(EINVAL);
    }

    @Test
    void refusesDescriptorsThatDoNotFitAndClosesThem() {
        try (RawClient client = served.client();
                Fd fd = EventFd.create()) {
            Leaks before = Leaks.snapshot();
            assertThat(client.call(irqs(20, NONE_TRIGGER, MSIX, 0, 1), fd).error())
                    .isEqualTo(EINVAL);
            assertThat(client.call(irqs(21, BOOL_TRIGGER, MSIX, 0, 1, (byte) 1), fd)
                            .error())
                    .isEqualTo(EINVAL);
            assertThat(client.call(eventFds(MSIX, 0, 3), fd, fd).error()).isEqualTo(EINVAL);
            assertThat(client.call(eventFds(MSIX, 0, 1), fd, fd).error()).isEqualTo(EINVAL);
            assertThat(client.call(eventFds(MSIX, 2048, 1), fd).error()).isEqualTo(EINVAL);
            assertThat(client.call(eventFds(9, 0, 1), fd).error()).isEqualTo(EINVAL);
            before.assertNone();
        }
    }

    @Test
    void assignsDescriptorsInOrder() {
        try (RawClient client = served.client();
                Fd a = EventFd.create();
                Fd b = EventFd.create()) {
            EventFd.signal(b.value());
            assertThat(client.call(eventFds(MSIX, 4, 2), a, b).isError()).isFalse();
            VfioIrqSet set = served.device.irqSets.getLast();
            assertThat(set.start()).isEqualTo(4);
            assertThat(set.count()).isEqualTo(2);
            assertThat(EventFd.drain(set.eventFds().get(0).value())).isNegative();
            assertThat(EventFd.drain(set.eventFds().get(1).value())).isEqualTo(1);
        }
    }

    @Test
    void takesDescriptorsAwayWhenThereAreNone() {
        try (RawClient client = served.client()) {
            assertThat(client.call(eventFds(MSIX, 3, 1)).isError()).isFalse();
            assertThat(served.device.irqSets.getLast().eventFds()).isEmpty();
            assertThat(served.device.irqSets.getLast().count()).isEqualTo(1);
        }
    }

    @Test
    void passesTriggersMasksAndBoolsOn() {
        try (RawClient client = served.client()) {
            assertThat(client.call(irqs(22, BOOL_TRIGGER, MSIX, 7, 2, (byte) 0, (byte) 1))
                            .isError())
                    .isFalse();
            assertThat(served.device.irqSets.getLast().bools()).containsExactly(false, true);
            for (int action : new int[] {VFIO_IRQ_SET_ACTION_MASK, VFIO_IRQ_SET_ACTION_UNMASK}) {
                assertThat(client.call(irqs(20, VFIO_IRQ_SET_DATA_NONE | action, 0, 0, 1))
                                .isError())
                        .isFalse();
                assertThat(served.device.irqSets.getLast().flags()).isEqualTo(VFIO_IRQ_SET_DATA_NONE | action);
            }
            assertThat(client.call(irqs(20, NONE_TRIGGER, REQ, 0, 0)).isError()).isFalse();
        }
    }

    @Test
    void deviceSpecificIndicesAreAsTheOthersAndAreTakenBackFromAClientThatGoes() {
        FakeDevice device = new FakeDevice();
        device.moreIrqs = List.of(new VfioIrqInfo(5, VFIO_IRQ_INFO_EVENTFD, 1), new VfioIrqInfo(6, 0, 0));
        try (Served other = new Served(device);
                Fd fd = EventFd.create()) {
            try (RawClient client = other.client()) {
                Leaks before = Leaks.snapshot();
                assertThat(client.call(eventFds(7, 0, 1), fd).error()).isEqualTo(EINVAL);
                assertThat(client.call(eventFds(6, 0, 1), fd).error()).isEqualTo(EINVAL);
                assertThat(client.call(eventFds(5, 1, 1), fd).error()).isEqualTo(EINVAL);
                before.assertNone();
                assertThat(client.call(eventFds(5, 0, 1), fd).isError()).isFalse();
                assertThat(device.irqSets.getLast().index()).isEqualTo(5);
                assertThat(client.call(irqs(20, NONE_TRIGGER, 5, 0, 1)).isError())
                        .isFalse();
            }
            try (RawClient next = other.client()) {
                assertThat(device.irqSets.getLast().index()).isEqualTo(5);
                assertThat(device.irqSets.getLast().count()).isZero();
            }
        }
    }

    @Test
    void everyLegalPairOfDataAndActionReachesTheDevice() {
        try (RawClient client = served.client();
                Fd fd = EventFd.create()) {
            for (int action :
                    new int[] {VFIO_IRQ_SET_ACTION_MASK, VFIO_IRQ_SET_ACTION_UNMASK, VFIO_IRQ_SET_ACTION_TRIGGER}) {
                assertThat(client.call(irqs(20, VFIO_IRQ_SET_DATA_NONE | action, MSIX, 9, 3))
                                .isError())
                        .isFalse();
                assertThat(client.call(irqs(22, VFIO_IRQ_SET_DATA_BOOL | action, MSIX, 9, 2, (byte) 1, (byte) 0))
                                .isError())
                        .isFalse();
                assertThat(served.device.irqSets.getLast().bools()).containsExactly(true, false);
                assertThat(client.call(irqs(20, VFIO_IRQ_SET_DATA_EVENTFD | action, MSIX, 9, 1), fd)
                                .isError())
                        .isFalse();
                assertThat(client.call(irqs(20, VFIO_IRQ_SET_DATA_EVENTFD | action, MSIX, 2046, 2))
                                .isError())
                        .as("takes descriptors away, wherever it begins")
                        .isFalse();
                VfioIrqSet last = served.device.irqSets.getLast();
                assertThat(last.flags()).isEqualTo(VFIO_IRQ_SET_DATA_EVENTFD | action);
                assertThat(last.start()).isEqualTo(2046);
                assertThat(last.count()).isEqualTo(2);
                assertThat(last.eventFds()).isEmpty();
            }
        }
    }

    static RawMessage eventFds(int index, int start, int count) {
        return irqs(20, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, index, start, count);
    }

    private static RawMessage irqs(int argsz, int flags, int index, int start, int count, byte... bools) {
        return RawMessage.command(
                VFIO_USER_DEVICE_SET_IRQS,
                new Payload()
                        .u32(argsz)
                        .u32(flags)
                        .u32(index)
                        .u32(start)
                        .u32(count)
                        .bytes(bools));
    }
}
