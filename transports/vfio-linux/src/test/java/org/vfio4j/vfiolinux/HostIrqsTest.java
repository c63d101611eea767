package org.vfio4j.vfiolinux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.uapi.Vfio.*;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.IrqKind;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Poll;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.LogLines;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioIrqSet;

/** The interrupts of hardware: eventfds of the kernel's, on their way to the function's user. */
class HostIrqsTest {

    private static final int INTX = VFIO_PCI_INTX_IRQ_INDEX;
    private static final int MSIX = VFIO_PCI_MSIX_IRQ_INDEX;
    private static final int ERR = VFIO_PCI_ERR_IRQ_INDEX;
    private static final int REQ = VFIO_PCI_REQ_IRQ_INDEX;

    private final Leaks before = Leaks.snapshot();
    private final FakeHost host = new FakeHost();
    private final LinuxPciFunction function = new LinuxPciFunction("0000:03:00.0", host, false);
    private final IoAddressSpace space = new IoAddressSpace(4);
    private final Heard heard = new Heard(space);

    @AfterEach
    void leavesNothing() {
        function.detachDma();
        function.close();
        space.close();
        before.assertNone();
    }

    private void begin() {
        function.connectIrqs(heard);
        function.attachDma(space);
    }

    @Test
    void hasNoThreadWhileNobodyListens() {
        begin();
        assertThat(threads()).isZero();
        function.useIrqs(IrqKind.MSIX, 2);
        assertThat(threads()).isEqualTo(1);
        function.useIrqs(IrqKind.NONE, 0);
        assertThat(threads()).isZero();
        assertThat(host.triggers).containsOnlyKeys(ERR, REQ);
    }

    @Test
    void passesMessagesOnByTheirNumber() throws InterruptedException {
        begin();
        function.useIrqs(IrqKind.MSIX, 3);
        host.interrupt(MSIX, 2);
        assertThat(heard.next()).isEqualTo("msi 2");
        host.interrupt(MSIX, 0);
        assertThat(heard.next()).isEqualTo("msi 0");
    }

    @Test
    void tellsTheOldVectorsOnceWhenMoreAreUsed() throws InterruptedException {
        begin();
        function.useIrqs(IrqKind.MSIX, 2);
        function.useIrqs(IrqKind.MSIX, 4);
        assertThat(List.of(heard.next(), heard.next())).containsExactlyInAnyOrder("msi 0", "msi 1");
        assertThat(host.triggers.get(MSIX)).hasSize(4);
        host.interrupt(MSIX, 3);
        assertThat(heard.next()).isEqualTo("msi 3");
    }

    @Test
    void keepsWhatItHasWhenTheKernelHasNoMore() throws InterruptedException {
        begin();
        function.useIrqs(IrqKind.MSIX, 2);
        host.mostVectors = 3;
        assertErrno(Errno.ENOSPC, () -> function.useIrqs(IrqKind.MSIX, 4));
        assertThat(List.of(heard.next(), heard.next())).containsExactlyInAnyOrder("msi 0", "msi 1");
        host.interrupt(MSIX, 1);
        assertThat(heard.next()).isEqualTo("msi 1");
    }

    @Test
    void hasNothingWhenTheKernelRefusesTheFirst() {
        begin();
        host.mostVectors = 0;
        assertErrno(Errno.ENOSPC, () -> function.useIrqs(IrqKind.MSI, 1));
        assertThat(threads()).isZero();
    }

    @Test
    void dropsMessagesWhileThereIsNoMemory() throws InterruptedException {
        begin();
        function.useIrqs(IrqKind.MSIX, 1);
        function.detachDma();
        host.interrupt(MSIX, 0);
        int eventFd = host.triggers.get(MSIX).getFirst().value();
        assertTimeoutPreemptively(Duration.ofSeconds(5), () -> {
            while (Poll.poll(eventFd, Poll.POLLIN, 0) > 0) {
                Thread.onSpinWait();
            }
        });
        // Not before what was taken has been passed on, or dropped.
        function.connectIrqs(heard);
        assertThat(heard.all).isEmpty();
        function.attachDma(space);
        host.interrupt(MSIX, 0);
        assertThat(heard.next()).isEqualTo("msi 0");
    }

    @Test
    void tellsOfErrorsAlsoWhileNobodyListensToInterrupts() throws InterruptedException {
        begin();
        host.interrupt(ERR, 0);
        assertThat(heard.next()).isEqualTo("error");
        function.useIrqs(IrqKind.MSIX, 1);
        function.useIrqs(IrqKind.NONE, 0);
        host.interrupt(ERR, 0);
        assertThat(heard.next()).isEqualTo("error");
    }

    @Test
    void tellsEachTimeThatTheKernelWantsItBack() throws InterruptedException {
        try (LogLines lines = new LogLines(LinuxPciFunction.class)) {
            host.interrupt(REQ, 0);
            assertThat(lines.next()).contains("nobody here hears it");
        }
        function.onRequest(() -> heard.all.add("request"));
        host.interrupt(REQ, 0);
        assertThat(heard.next()).isEqualTo("request");
        host.interrupt(REQ, 0);
        assertThat(heard.next()).isEqualTo("request");
    }

    @Test
    void theLevelOfIntxIsHighUntilTheUserUnmasks() throws InterruptedException {
        begin();
        function.useIrqs(IrqKind.INTX, 1);
        host.interrupt(INTX, 0);
        assertThat(heard.next()).isEqualTo("intx true");
        function.connectIrqs(IrqSink.NONE);
        function.connectIrqs(heard);
        assertThat(heard.next()).as("who comes later").isEqualTo("intx true");
        function.unmaskIntx();
        assertThat(heard.next()).isEqualTo("intx false");
        assertThat(EventFd.drain(host.unmask.orElseThrow().value())).isEqualTo(1);
        host.interrupt(INTX, 0);
        assertThat(heard.next()).isEqualTo("intx true");
        function.reset();
        assertThat(heard.next()).isEqualTo("intx false");
        assertThat(EventFd.drain(host.unmask.orElseThrow().value()))
                .as("the kernel has it masked still")
                .isEqualTo(1);
    }

    @Test
    void clearingIntxDisableUnmasksInTheKernelAndLowersTheLevel() throws InterruptedException {
        begin();
        function.useIrqs(IrqKind.INTX, 1);
        function.configWrite(PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
        host.interrupt(INTX, 0);
        assertThat(heard.next()).isEqualTo("intx true");
        function.configWrite(PCI_COMMAND, 2, 0);
        assertThat(heard.next()).isEqualTo("intx false");
        function.useIrqs(IrqKind.NONE, 0);
        function.unmaskIntx();
        assertThat(heard.all).isEmpty();
    }

    @Test
    void aUserOfVfioPciGetsIntxAndUnmasksIt() {
        FakeHost own = new FakeHost();
        try (HostMachine machine = new HostMachine(own);
                LocalDeviceFile file = machine.open();
                Fd user = EventFd.create()) {
            int assign = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
            file.setIrqs(VfioIrqSet.eventFds(assign, INTX, 0, 1, List.of(user.dup())));
            own.interrupt(INTX, 0);
            awaitSignal(user);
            int unmask = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK;
            file.setIrqs(VfioIrqSet.none(unmask, INTX, 0, 1));
            assertThat(EventFd.drain(own.unmask.orElseThrow().value())).isEqualTo(1);
            assertThat(Poll.poll(user.value(), Poll.POLLIN, 50_000_000))
                    .as("the device has been served")
                    .isZero();
            own.interrupt(INTX, 0);
            awaitSignal(user);
        }
    }

    private static void awaitSignal(Fd user) {
        assertThat(Poll.poll(user.value(), Poll.POLLIN, 5_000_000_000L)).isPositive();
        EventFd.drain(user.value());
    }

    private static long threads() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("vfio-irqs"))
                .count();
    }

    private static void assertErrno(int errno, Runnable call) {
        assertThatThrownBy(call::run)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }

    /** What has come, in order. */
    private static final class Heard implements IrqSink {

        final LinkedBlockingQueue<String> all = new LinkedBlockingQueue<>();
        private final IoAddressSpace space;

        Heard(IoAddressSpace space) {
            this.space = space;
        }

        String next() throws InterruptedException {
            String next = all.poll(5, TimeUnit.SECONDS);
            return next == null ? "nothing in five seconds" : next;
        }

        @Override
        public void msi(int vector) {
            all.add("msi " + vector + (space.isQuiet() ? " with no window online" : ""));
        }

        @Override
        public void intx(boolean asserted) {
            all.add("intx " + asserted);
        }

        @Override
        public void error() {
            all.add("error");
        }
    }
}
