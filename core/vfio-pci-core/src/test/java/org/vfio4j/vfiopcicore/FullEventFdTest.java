package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.testkit.FullEventFd.endsSoon;
import static org.vfio4j.uapi.Vfio.*;
import static org.vfio4j.vfiopcicore.OpenCore.signals;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Poll;
import org.vfio4j.testkit.FullEventFd;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.vfio.VfioIrqSet;

/** A user's eventfds that block and are full hold up no thread: not the function's, not the user's, and not that of all eventfds. */
class FullEventFdTest {

    private static final int INTX = VFIO_PCI_INTX_IRQ_INDEX;

    private final Leaks before = Leaks.snapshot();
    private final OpenCore disk = OpenCore.disk();

    @AfterEach
    void close() {
        endsSoon("close", disk::close);
        before.assertNone();
    }

    @ParameterizedTest
    @ValueSource(ints = {VFIO_PCI_MSI_IRQ_INDEX, VFIO_PCI_MSIX_IRQ_INDEX})
    void asAMessagesVector(int index) {
        try (Fd full = assign(VFIO_IRQ_SET_ACTION_TRIGGER, index)) {
            endsSoon("the function's interrupt", () -> disk.function.sink.msi(0));
            FullEventFd.fill(full);
            endsSoon("a loopback", () -> disk.trigger(index, 0));
            FullEventFd.fill(full);
            disk.mask(index, 0);
            disk.function.sink.msi(0);
            endsSoon("the end of a mask", () -> disk.unmask(index, 0));
            EventFd.drain(full.value());
            disk.function.sink.msi(0);
            assertThat(signals(full)).as("once there is room").isEqualTo(1);
        }
    }

    @Test
    void asIntx() {
        try (Fd full = assign(VFIO_IRQ_SET_ACTION_TRIGGER, INTX)) {
            endsSoon("the function's interrupt", () -> disk.function.sink.intx(true));
            FullEventFd.fill(full);
            endsSoon("a loopback", () -> disk.trigger(INTX, 0));
            FullEventFd.fill(full);
            endsSoon("the end of a mask", () -> disk.unmask(INTX, 0));
        }
    }

    /** The one thread that watches all users' eventfds sends an interrupt to the full one, and goes on with others'. */
    @Test
    void asIntxThatAnEventFdUnmasks() {
        try (OpenCore other = OpenCore.disk();
                Fd full = assign(VFIO_IRQ_SET_ACTION_TRIGGER, INTX);
                Fd unmask = EventFd.create();
                Fd otherEvent = other.assign(INTX, 0, 1).getFirst();
                Fd otherUnmask = EventFd.create()) {
            unmaskBy(disk, unmask);
            unmaskBy(other, otherUnmask);
            endsSoon("the function's interrupt", () -> disk.function.sink.intx(true));
            other.function.sink.intx(true);
            assertThat(signals(otherEvent)).isEqualTo(1);
            for (int i = 0; i < 100; i++) {
                FullEventFd.fill(full);
                EventFd.signal(unmask.value());
                EventFd.signal(otherUnmask.value());
                assertThat(Poll.poll(otherEvent.value(), Poll.POLLIN, 10_000_000_000L))
                        .as("unmask %d of the other", i)
                        .isPositive();
                signals(otherEvent);
            }
        }
    }

    /** A signal that the user has taken back before it was looked at. */
    @Test
    void andAnUnmaskThatItsUserDrains() {
        try (OpenCore other = OpenCore.disk();
                Fd event = disk.assign(INTX, 0, 1).getFirst();
                Fd unmask = EventFd.create();
                Fd otherEvent = other.assign(INTX, 0, 1).getFirst();
                Fd otherUnmask = EventFd.create()) {
            unmask.setNonBlocking(false);
            unmaskBy(disk, unmask);
            unmaskBy(other, otherUnmask);
            disk.function.sink.intx(true);
            other.function.sink.intx(true);
            signals(otherEvent);
            for (int i = 0; i < 1000; i++) {
                EventFd.signal(unmask.value());
                EventFd.drain(unmask.value());
            }
            EventFd.signal(otherUnmask.value());
            assertComes(otherEvent);
            signals(event);
            EventFd.signal(unmask.value());
            assertComes(event);
        }
    }

    private static void assertComes(Fd event) {
        assertThat(Poll.poll(event.value(), Poll.POLLIN, 10_000_000_000L)).isPositive();
    }

    @Test
    void asErrorRequestAndWakeUp() {
        try (Fd err = assign(VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_PCI_ERR_IRQ_INDEX);
                Fd req = assign(VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_PCI_REQ_IRQ_INDEX);
                Fd wakeUp = FullEventFd.create()) {
            endsSoon("an error", disk.function.sink::error);
            endsSoon("a loopback", () -> disk.trigger(VFIO_PCI_REQ_IRQ_INDEX, 0));
            FullEventFd.fill(err);
            FullEventFd.fill(req);
            endsSoon("a loopback", () -> disk.trigger(VFIO_PCI_ERR_IRQ_INDEX, 0));
            endsSoon("asking for the device", () -> disk.core.request(1));
            int enter = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP;
            disk.file.feature(enter, MemorySegment.ofArray(new byte[8]), wakeUp.dup());
            endsSoon("waking up", () -> disk.config(0, 4));
        }
    }

    /** Gives vector 0 a full eventfd; returns a duplicate. */
    private Fd assign(int action, int index) {
        Fd full = FullEventFd.create();
        Fd kept = full.dup();
        endsSoon("an assignment", () -> set(disk, action, index, full));
        return kept;
    }

    private static void unmaskBy(OpenCore device, Fd fd) {
        set(device, VFIO_IRQ_SET_ACTION_UNMASK, INTX, fd.dup());
    }

    private static void set(OpenCore device, int action, int index, Fd fd) {
        device.file.setIrqs(VfioIrqSet.eventFds(VFIO_IRQ_SET_DATA_EVENTFD | action, index, 0, 1, List.of(fd)));
    }
}
