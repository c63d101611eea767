package org.vfio4j.vfio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.Vfio.*;
import static org.vfio4j.vfio.FakeDeviceOps.VECTORS;

import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;

/** {@code VFIO_DEVICE_SET_IRQS}: what reaches a device and what does not (E6). */
class SetIrqsTest {

    private static final int NONE = VFIO_IRQ_SET_DATA_NONE;
    private static final int BOOL = VFIO_IRQ_SET_DATA_BOOL;
    private static final int EVENTFD = VFIO_IRQ_SET_DATA_EVENTFD;
    private static final int MASK = VFIO_IRQ_SET_ACTION_MASK;
    private static final int UNMASK = VFIO_IRQ_SET_ACTION_UNMASK;
    private static final int TRIGGER = VFIO_IRQ_SET_ACTION_TRIGGER;

    private final FakeDeviceOps ops = new FakeDeviceOps();
    private final LocalDeviceFile file = open(ops);

    @AfterEach
    void close() {
        file.close();
    }

    static Stream<VfioIrqSet> refused() {
        return Stream.of(
                VfioIrqSet.none(NONE | TRIGGER, 2, 0, 1),
                VfioIrqSet.none(NONE | TRIGGER, -1, 0, 1),
                VfioIrqSet.none(NONE | MASK | UNMASK, 0, 0, 1),
                VfioIrqSet.none(NONE | BOOL | TRIGGER, 0, 0, 1),
                VfioIrqSet.none(NONE, 0, 0, 1),
                VfioIrqSet.none(TRIGGER, 0, 0, 1),
                VfioIrqSet.none(NONE | TRIGGER | 0x40, 0, 0, 1),
                VfioIrqSet.none(NONE | TRIGGER, 0, VECTORS - 1, 2),
                VfioIrqSet.none(NONE | TRIGGER, 0, VECTORS + 1, 1),
                VfioIrqSet.none(NONE | TRIGGER, 0, VECTORS, 1),
                VfioIrqSet.none(NONE | TRIGGER, 0, 0, -1),
                VfioIrqSet.none(NONE | TRIGGER, 0, -1, 1),
                VfioIrqSet.none(NONE | TRIGGER, 0, -1, -1),
                VfioIrqSet.none(NONE | MASK, 1, 0, 1),
                VfioIrqSet.none(NONE | UNMASK, 1, 0, 1),
                VfioIrqSet.none(NONE | TRIGGER, 1, 0, 2),
                VfioIrqSet.none(NONE | TRIGGER, 0, 1, 0),
                VfioIrqSet.none(NONE | MASK, 0, 0, 0),
                VfioIrqSet.bools(BOOL | TRIGGER, 0, 0, 0, List.of()),
                VfioIrqSet.eventFds(EVENTFD | TRIGGER, 0, 0, 0, List.of()),
                VfioIrqSet.bools(BOOL | TRIGGER, 0, 0, 2, List.of(true)),
                VfioIrqSet.bools(BOOL | TRIGGER, 0, 0, 2, List.of(true, true, true)),
                VfioIrqSet.bools(NONE | TRIGGER, 0, 0, 1, List.of(true)),
                VfioIrqSet.eventFds(EVENTFD | TRIGGER, 0, 0, VECTORS + 1, List.of()));
    }

    @ParameterizedTest
    @MethodSource("refused")
    void refuses(VfioIrqSet set) {
        assertRefused(set);
    }

    @ParameterizedTest
    @ValueSource(ints = {NONE, BOOL})
    void refusesDescriptorsWhereNoneBelongAndClosesThem(int data) {
        Fd fd = EventFd.create();
        assertRefused(new VfioIrqSet(data | TRIGGER, 0, 0, 1, List.of(fd), data == BOOL ? List.of(true) : List.of()));
        assertThat(fd.isOpen()).isFalse();
    }

    @Test
    void refusesFewerDescriptorsThanVectorsAndClosesThem() {
        Fd fd = EventFd.create();
        assertRefused(VfioIrqSet.eventFds(EVENTFD | TRIGGER, 0, 0, 2, List.of(fd)));
        assertThat(fd.isOpen()).isFalse();
    }

    @Test
    void refusesAndClosesWhenTheFileIsClosed() {
        file.close();
        Fd fd = EventFd.create();
        assertThatThrownBy(() -> file.setIrqs(VfioIrqSet.eventFds(EVENTFD | TRIGGER, 0, 0, 1, List.of(fd))))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EBADF));
        assertThat(fd.isOpen()).isFalse();
    }

    static Stream<VfioIrqSet> legal() {
        return Stream.of(
                VfioIrqSet.none(NONE | TRIGGER, 0, 0, 0),
                VfioIrqSet.none(NONE | TRIGGER, 1, 0, 0),
                VfioIrqSet.none(NONE | TRIGGER, 0, 0, VECTORS),
                VfioIrqSet.none(NONE | MASK, 0, VECTORS - 1, 1),
                VfioIrqSet.bools(BOOL | UNMASK, 0, 5, 2, List.of(true, false)),
                VfioIrqSet.bools(BOOL | TRIGGER, 0, 0, VECTORS, Collections.nCopies(VECTORS, true)),
                VfioIrqSet.eventFds(EVENTFD | TRIGGER, 0, 7, 9, List.of()),
                VfioIrqSet.eventFds(EVENTFD | TRIGGER, 1, 0, 1, List.of()));
    }

    @ParameterizedTest
    @MethodSource("legal")
    void passesOn(VfioIrqSet set) {
        file.setIrqs(set);
        assertThat(ops.irqSets).containsExactly(set);
    }

    private void assertRefused(VfioIrqSet set) {
        assertThatThrownBy(() -> file.setIrqs(set))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EINVAL));
        assertThat(ops.irqSets).isEmpty();
    }

    private static LocalDeviceFile open(FakeDeviceOps ops) {
        VfioRegistry registry = new VfioRegistry();
        registry.register(ops, () -> () -> {}, "0000:08:00.0");
        return registry.open("vfio0");
    }
}
