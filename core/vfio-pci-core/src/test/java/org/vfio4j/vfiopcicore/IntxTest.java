package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.uapi.Vfio.*;
import static org.vfio4j.vfiopcicore.OpenCore.signals;

import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;
import org.vfio4j.sys.Poll;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.vfio.VfioIrqSet;

/** INTx: a level, automasked (E6). */
class IntxTest {

    private static final int INTX = VFIO_PCI_INTX_IRQ_INDEX;

    private final OpenCore disk = OpenCore.disk();

    @AfterEach
    void close() {
        disk.close();
    }

    @Test
    void refusesMasksWhileItIsNotEnabled() {
        assertThatThrownBy(() -> disk.mask(INTX, 0)).hasMessageContaining("not enabled");
        assertThatThrownBy(() -> disk.unmask(INTX, 0)).hasMessageContaining("not enabled");
        assertThatThrownBy(() -> disk.trigger(INTX, 0)).hasMessageContaining("not enabled");
    }

    @Test
    void refusesMaskByEventFdAndClosesIt() {
        refuses(VFIO_IRQ_SET_ACTION_MASK, EventFd.create(), Errno.ENOTTY);
    }

    @Test
    void refusesUnmaskByEventFdWhileItIsNotEnabled() {
        refuses(VFIO_IRQ_SET_ACTION_UNMASK, EventFd.create(), Errno.EINVAL);
    }

    @Test
    void refusesDescriptorsThatAreNoEventFds() {
        refuses(VFIO_IRQ_SET_ACTION_TRIGGER, MemFd.create("no eventfd", 4096), Errno.EINVAL);
    }

    @Test
    void unmasksWhenTheEventFdIsSignalled() {
        Leaks before = Leaks.snapshot();
        try (Fd fd = assign();
                Fd unmask = EventFd.create()) {
            unmaskBy(unmask.dup());
            disk.function.sink.intx(true);
            assertThat(signals(fd)).isEqualTo(1);
            EventFd.signal(unmask.value());
            awaitSignal(fd);
            disk.function.sink.intx(false);
            EventFd.signal(unmask.value());
            disk.function.sink.intx(true);
            awaitSignal(fd);
            disk.disable(INTX);
        }
        before.assertNone();
    }

    @Test
    void unmasksAtOnceForASignalThatWasThereAndByTheNewestEventFdOnly() {
        try (Fd fd = assign();
                Fd old = EventFd.create();
                Fd unmask = EventFd.create()) {
            unmaskBy(old.dup());
            disk.function.sink.intx(true);
            assertThat(signals(fd)).isEqualTo(1);
            EventFd.signal(unmask.value());
            unmaskBy(unmask.dup());
            awaitSignal(fd);
            EventFd.signal(old.value());
            disk.file.setIrqs(
                    VfioIrqSet.eventFds(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, INTX, 0, 1, List.of()));
            EventFd.signal(unmask.value());
            assertThat(Poll.poll(fd.value(), Poll.POLLIN, 50_000_000)).isZero();
        }
    }

    private void unmaskBy(Fd fd) {
        disk.file.setIrqs(
                VfioIrqSet.eventFds(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, INTX, 0, 1, List.of(fd)));
    }

    private static void awaitSignal(Fd fd) {
        assertThat(Poll.poll(fd.value(), Poll.POLLIN, 5_000_000_000L)).isPositive();
        signals(fd);
    }

    private void refuses(int action, Fd fd, int errno) {
        VfioIrqSet set = VfioIrqSet.eventFds(VFIO_IRQ_SET_DATA_EVENTFD | action, INTX, 0, 1, List.of(fd));
        assertThatThrownBy(() -> disk.file.setIrqs(set))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
        assertThat(fd.isOpen()).isFalse();
    }

    @Test
    void isAutomasked() {
        assertThat(disk.file.irqInfo(INTX).flags())
                .isEqualTo(VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED);
        try (Fd fd = assign()) {
            disk.function.sink.intx(true);
            assertThat(signals(fd)).isEqualTo(1);
            disk.function.sink.intx(false);
            disk.function.sink.intx(true);
            assertThat(signals(fd)).as("masked by the first").isZero();
        }
    }

    @Test
    void unmaskSendsAgainWhileTheLevelLasts() {
        try (Fd fd = assign()) {
            disk.function.sink.intx(true);
            assertThat(signals(fd)).isEqualTo(1);
            disk.unmask(INTX, 0);
            assertThat(signals(fd)).isEqualTo(1);
            disk.function.sink.intx(false);
            disk.unmask(INTX, 0);
            assertThat(signals(fd)).isZero();
            disk.function.sink.intx(true);
            assertThat(signals(fd)).isEqualTo(1);
        }
    }

    @Test
    void maskHoldsItBackUntilUnmask() {
        try (Fd fd = assign()) {
            disk.mask(INTX, 0);
            disk.function.sink.intx(true);
            assertThat(signals(fd)).isZero();
            disk.file.setIrqs(
                    VfioIrqSet.bools(VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_UNMASK, INTX, 0, 1, List.of(false)));
            assertThat(signals(fd)).isZero();
            disk.file.setIrqs(
                    VfioIrqSet.bools(VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_UNMASK, INTX, 0, 1, List.of(true)));
            assertThat(signals(fd)).isEqualTo(1);
        }
    }

    @Test
    void intxDisableMasksAndStatusTellsTheLevel() {
        try (Fd fd = assign()) {
            disk.config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
            disk.function.sink.intx(true);
            assertThat(signals(fd)).isZero();
            assertThat(disk.config(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT).isNotZero();
            disk.unmask(INTX, 0);
            assertThat(signals(fd)).as("the command register is stronger").isZero();
            disk.config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
            assertThat(signals(fd)).isEqualTo(1);
            disk.function.sink.intx(false);
            assertThat(disk.config(PCI_STATUS, 2) & PCI_STATUS_INTERRUPT).isZero();
        }
    }

    @Test
    void anInterruptThatIsAssertedAtEnableIsSent() {
        disk.function.sink.intx(true);
        try (Fd fd = assign()) {
            assertThat(signals(fd)).isEqualTo(1);
        }
    }

    @Test
    void loopbackSignalsWithoutTheFunction() {
        try (Fd fd = assign()) {
            disk.trigger(INTX, 0);
            disk.trigger(INTX, 0);
            assertThat(signals(fd)).isEqualTo(2);
        }
    }

    @Test
    void deassignAndDisableStopIt() {
        try (Fd first = assign()) {
            disk.deassign(INTX, 0, 1);
            disk.function.sink.intx(true);
            assertThat(signals(first)).isZero();
            try (Fd second = assign()) {
                assertThat(signals(second)).isEqualTo(1);
                disk.disable(INTX);
                disk.disable(INTX);
                disk.function.sink.intx(false);
                disk.function.sink.intx(true);
                assertThat(signals(second)).isZero();
            }
        }
    }

    @Test
    void resetLowersTheLevel() {
        try (Fd fd = assign()) {
            disk.function.sink.intx(true);
            disk.file.reset();
            assertThat(signals(fd)).isEqualTo(1);
            disk.unmask(INTX, 0);
            assertThat(signals(fd)).isZero();
        }
    }

    private Fd assign() {
        return disk.assign(INTX, 0, 1).getFirst();
    }
}
