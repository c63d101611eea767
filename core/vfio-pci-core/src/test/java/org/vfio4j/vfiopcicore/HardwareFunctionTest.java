package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_FLAGS;
import static org.vfio4j.uapi.PciRegs.PCI_MSIX_FLAGS_ENABLE;
import static org.vfio4j.uapi.Vfio.*;
import static org.vfio4j.vfiopcicore.OpenCore.signals;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DmaFollower;
import org.vfio4j.bus.DmaMemory;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Poll;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.VfioIrqSet;

/** What a function is told that is not emulated here: which interrupts are used, and that memory has to be followed. */
class HardwareFunctionTest {

    private static final int INTX = VFIO_PCI_INTX_IRQ_INDEX;
    private static final int MSI = VFIO_PCI_MSI_IRQ_INDEX;
    private static final int MSIX = VFIO_PCI_MSIX_IRQ_INDEX;

    private final OpenCore disk = OpenCore.disk();
    private final List<String> uses = disk.function.irqUses;

    @AfterEach
    void close() {
        disk.close();
    }

    @Test
    void hearsHowManyMessagesAreUsedAndThatNoneIs() {
        assertThat(uses).isEmpty();
        List<Fd> fds = disk.assign(MSIX, 2, 1);
        assertThat(uses).containsExactly("MSIX 3");
        fds.addAll(disk.assign(MSIX, 0, 2));
        assertThat(uses).as("they are among the three").hasSize(1);
        fds.addAll(disk.assign(MSIX, 7, 1));
        disk.deassign(MSIX, 7, 1);
        disk.disable(MSIX);
        disk.disable(MSIX);
        fds.addAll(disk.assign(MSI, 0, 2));
        assertThat(uses).containsExactly("MSIX 3", "MSIX 8", "NONE 0", "MSI 2");
        disk.file.reset();
        assertThat(uses).hasSize(4);
        disk.close();
        assertThat(uses).endsWith("NONE 0").hasSize(5);
        fds.forEach(Fd::close);
    }

    @Test
    void hearsThatItsPinIsUsed() {
        try (Fd first = disk.assign(INTX, 0, 1).getFirst();
                Fd second = disk.assign(INTX, 0, 1).getFirst()) {
            assertThat(first.isOpen()).isTrue();
            assertThat(second.isOpen()).isTrue();
            disk.deassign(INTX, 0, 1);
            assertThat(uses).containsExactly("INTX 1");
            disk.disable(INTX);
            assertThat(uses).containsExactly("INTX 1", "NONE 0");
        }
    }

    @Test
    void vectorsThatItCannotHaveAreRefusedAndNothingIsLeftOfThem() {
        Leaks before = Leaks.snapshot();
        disk.function.mostVectors = 2;
        assertErrno(Errno.ENOSPC, () -> give(0, 3));
        assertThat(disk.function.configRead(FakePciFunction.MSIX + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_ENABLE)
                .isZero();
        // What was refused is off: INTx may be used.
        try (Fd intx = disk.assign(INTX, 0, 1).getFirst()) {
            assertThat(signals(intx)).isZero();
            disk.disable(INTX);
        }
        try (Fd fd = disk.assign(MSIX, 1, 1).getFirst()) {
            assertErrno(Errno.ENOSPC, () -> give(2, 1));
            disk.function.sink.msi(1);
            assertThat(signals(fd)).as("the others work on").isEqualTo(1);
            disk.disable(MSIX);
        }
        before.assertNone();
    }

    @Test
    void anUnmaskReachesItWhileTheUserStillHearsNothing() {
        try (Fd fd = disk.assign(INTX, 0, 1).getFirst()) {
            disk.function.sink.intx(true);
            assertThat(signals(fd)).isEqualTo(1);
            disk.function.onUnmaskIntx = () -> {
                disk.function.sink.intx(false);
                disk.function.sink.intx(true);
                assertThat(signals(fd)).isZero();
            };
            disk.unmask(INTX, 0);
            assertThat(signals(fd)).as("once it is unmasked").isEqualTo(1);
            disk.function.onUnmaskIntx = () -> disk.function.sink.intx(false);
            disk.unmask(INTX, 0);
            assertThat(signals(fd)).as("served: the level is low").isZero();
        }
    }

    @Test
    void anUnmaskByEventFdReachesItToo() {
        try (Fd fd = disk.assign(INTX, 0, 1).getFirst();
                Fd unmask = EventFd.create();
                Fd heard = EventFd.create()) {
            disk.function.onUnmaskIntx = () -> EventFd.signal(heard.value());
            disk.file.setIrqs(VfioIrqSet.eventFds(
                    VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, INTX, 0, 1, List.of(unmask.dup())));
            EventFd.signal(unmask.value());
            assertThat(Poll.poll(heard.value(), Poll.POLLIN, 5_000_000_000L)).isPositive();
            assertThat(signals(fd)).isZero();
            disk.disable(INTX);
        }
    }

    @Test
    void whatItWritesIsNotLogged() {
        assertThat(disk.core.logging()).isPresent();
        disk.function.writesThroughWindows = false;
        assertThat(disk.core.logging()).isEmpty();
    }

    @Test
    void followsTheMemoryThroughItsBusMasterBit() {
        DmaFollower follower = new DmaFollower() {
            @Override
            public void map(long iova, long sizeBytes, int access, Optional<DmaMemory> memory) {}

            @Override
            public void unmap(long iova, long sizeBytes) {}
        };
        try (IoAddressSpace space = new IoAddressSpace(1)) {
            disk.file.attach(space);
            disk.function.space.follow(follower);
            assertThat(space.isFollowed()).isTrue();
            disk.function.space.unfollow(follower);
            assertThat(space.isFollowed()).isFalse();
            disk.file.detach();
        }
    }

    @Test
    void isResetWhenItsUserLeavesAndAnEmulatedOneIsNot() {
        int before = disk.function.resets;
        disk.file.userLeft();
        assertThat(disk.function.resets).isEqualTo(before);
        disk.function.writesThroughWindows = false;
        disk.file.userLeft();
        assertThat(disk.function.resets).isEqualTo(before + 1);
    }

    private void give(int start, int count) {
        List<Fd> fds = Stream.generate(EventFd::create).limit(count).toList();
        disk.file.setIrqs(
                VfioIrqSet.eventFds(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, MSIX, start, count, fds));
    }

    private static void assertErrno(int errno, Runnable call) {
        assertThatThrownBy(call::run)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }
}
