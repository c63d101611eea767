package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.VfioIoEventFd;

/** VFIO_USER_DEVICE_GET_REGION_IO_FDS, KVM_IOEVENTFD: notification registers that are written by an eventfd. */
class NotifyFdsTest {

    private static final long LIMIT_NS = 20_000_000_000L;

    private final OpenCore device = new OpenCore(FakePciFunction.disk());

    @AfterEach
    void close() {
        device.close();
    }

    @Test
    void aBarWithoutNotificationsAndOtherRegionsOfferNone() {
        assertThat(device.core.ioEventFds(2)).isEmpty();
        assertThat(device.file.ioEventFds(7)).isEmpty();
    }

    @Test
    void aTrappedRegisterIsNotOffered() {
        VfioPciTrap trap = device.core.trap(0, 0x12, 4, new VfioPciTrapHandler() {});
        assertThat(device.file.ioEventFds(0)).extracting(VfioIoEventFd::offset).containsExactly(0x10L);
        trap.close();
        assertThat(device.file.ioEventFds(0)).hasSize(2);
    }

    @Test
    void whoAsksAgainGetsTheSame() {
        assertThat(device.file.ioEventFds(0)).isEqualTo(device.file.ioEventFds(0));
    }

    @Test
    void aSignalRingsTheFunction() {
        List<VfioIoEventFd> registers = device.file.ioEventFds(0);
        assertThat(registers).extracting(VfioIoEventFd::sizeBytes).containsOnly(2);
        EventFd.signal(registers.get(1).fd().value());
        awaitRings(1);
        EventFd.signal(registers.get(0).fd().value());
        awaitRings(2);
    }

    @Test
    void whoHasLeftRingsInVain() {
        try (IoAddressSpace space = new IoAddressSpace(1)) {
            device.file.attach(space);
            try (Fd kept = device.file.ioEventFds(0).getFirst().fd().dup()) {
                device.file.detach();
                EventFd.signal(kept.value());
                // One thread watches all: what it sees of the second it has seen of the first.
                EventFd.signal(device.file.ioEventFds(0).getFirst().fd().value());
                awaitRings(1);
            }
        }
        assertThat(device.function.rings).hasValue(1);
    }

    private void awaitRings(int count) {
        long begin = System.nanoTime();
        while (device.function.rings.get() < count && System.nanoTime() - begin < LIMIT_NS) {
            Thread.onSpinWait();
        }
        assertThat(device.function.rings).hasValue(count);
    }
}
