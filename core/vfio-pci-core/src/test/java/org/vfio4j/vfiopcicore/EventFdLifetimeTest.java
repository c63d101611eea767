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

/** A descriptor that a firing thread may be about to signal stays open until that thread has passed a safe point. */
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

    @Test
    void withASpaceItOutlivesTheWindowsThatAreOnline() throws Exception {
        disk.file.attach(space);
        Fd old = EventFd.create();
        Fd now = EventFd.create();
        assign(old);
        try (DmaWindow window = space.openWindow();
                Fd seen = now.dup()) {
            window.enter();
            Thread user = Thread.ofPlatform().daemon().start(() -> assign(now));
            while (!window.yieldRequested()) {
                Thread.onSpinWait();
            }
            assertThat(old.isOpen()).isTrue();
            disk.function.sink.msi(0);
            assertThat(signals(seen))
                    .as("new interrupts go to the new one already")
                    .isEqualTo(1);
            window.leave();
            user.join();
            assertThat(old.isOpen()).isFalse();
        }
    }

    private void assign(Fd fd) {
        disk.file.setIrqs(VfioIrqSet.eventFds(
                VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, List.of(fd)));
    }
}
