package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.Vfio.*;
import static org.vfio4j.vfiopcicore.OpenCore.signals;

import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.VfioIrqSet;

/** A descriptor that a firing thread may be about to signal stays open as long as that thread's window is online. */
class EventFdLifetimeTest {

    private final OpenCore disk = OpenCore.disk();
    private final IoAddressSpace space = new IoAddressSpace(8);

    @AfterEach
    void close() {
        disk.close();
        space.close();
    }

    @Test
    void withoutASpaceAnOldDescriptorIsClosedAtOnce() {
        Fd old = EventFd.create();
        assign(old);
        disk.disable(VFIO_PCI_MSIX_IRQ_INDEX);
        assertThat(old.isOpen()).isFalse();
    }

    /** And whoever replaces it does not wait for them: what they are at may be storage that stands still. */
    @Test
    void withASpaceItOutlivesTheWindowsThatAreOnline() {
        disk.file.attach(space);
        Fd old = EventFd.create();
        Fd now = EventFd.create();
        assign(old);
        try (DmaWindow window = space.openWindow();
                Fd seen = now.dup()) {
            window.enter();
            assign(now);
            assertThat(window.yieldRequested()).as("nobody is held up").isFalse();
            assertThat(old.isOpen()).isTrue();
            disk.function.sink.msi(0);
            assertThat(signals(seen))
                    .as("new interrupts go to the new one already")
                    .isEqualTo(1);
            disk.disable(VFIO_PCI_MSIX_IRQ_INDEX);
            assertThat(now.isOpen()).isTrue();
            window.leave();
            assign(EventFd.create());
            disk.disable(VFIO_PCI_MSIX_IRQ_INDEX);
            assertThat(old.isOpen() || now.isOpen()).isFalse();
        }
    }

    @Test
    void aDetachClosesThoseThatAreLeft() {
        disk.file.attach(space);
        Fd old = EventFd.create();
        assign(old);
        try (DmaWindow window = space.openWindow()) {
            window.enter();
            disk.disable(VFIO_PCI_MSIX_IRQ_INDEX);
            assertThat(old.isOpen()).isTrue();
            disk.file.detach();
            assertThat(old.isOpen()).isFalse();
        }
    }

    /** No user can have as many open as it likes. */
    @Test
    void whoLeavesVeryManyBehindWaits() throws Exception {
        disk.file.attach(space);
        Fd first = EventFd.create();
        assign(first);
        try (DmaWindow window = space.openWindow()) {
            window.enter();
            for (int i = 0; i < RetiredEventFds.MOST; i++) {
                assign(EventFd.create());
            }
            Thread user = Thread.ofPlatform().daemon().start(() -> assign(EventFd.create()));
            while (!window.yieldRequested()) {
                Thread.onSpinWait();
            }
            assertThat(first.isOpen()).isTrue();
            window.leave();
            user.join();
            assertThat(first.isOpen()).isFalse();
        }
    }

    private void assign(Fd fd) {
        disk.file.setIrqs(VfioIrqSet.eventFds(
                VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, List.of(fd)));
    }
}
