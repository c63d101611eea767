package org.vfio4j.vfiouser;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_EVENTFD;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;
import org.vfio4j.vfio.VfioDeviceInfo;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VfioRegionInfo;

/** The client against the server: what a driver in user space sees of a remote device. */
class VfioUserClientTest {

    private final Served served = new Served();
    private final MemorySegment buffer = Arena.ofAuto().allocate(FakeDevice.BAR2_SIZE);

    @AfterEach
    void close() {
        served.close();
    }

    @Test
    void carriesErrnosOfTheDevice() {
        try (VfioUserClient driver = served.driver()) {
            assertErrno(Errno.EINVAL, () -> driver.regionInfo(9));
            assertErrno(Errno.EINVAL, () -> driver.irqInfo(5));
            assertErrno(Errno.EINVAL, () -> driver.read(0, FakeDevice.BAR0_SIZE - 2, buffer, 0, 4));
            assertErrno(Errno.ENOENT, () -> driver.dmaUnmap(0x1000, 0x1000));
            // And the connection lives.
            driver.read(0, 0, buffer, 0, 4);
        }
    }

    @Test
    void describesTheDevice() {
        try (VfioUserClient driver = served.driver()) {
            assertThat(driver.info()).isEqualTo(new VfioDeviceInfo(3, 9, 5));
            assertThat(driver.regionInfo(0)).isEqualTo(new VfioRegionInfo(0, 3, FakeDevice.BAR0_SIZE));
            assertThat(driver.regionInfo(1)).isEqualTo(new VfioRegionInfo(1, 0, 0));
            assertThat(driver.irqInfo(2).count()).isEqualTo(FakeDevice.MSIX_VECTORS);
        }
    }

    @Test
    void readsAndWritesRegisters() {
        try (VfioUserClient driver = served.driver()) {
            buffer.set(JAVA_INT, 0, 0xcafe_f00d);
            driver.write(0, 0x100, buffer, 0, 4);
            assertThat(served.device.bar0.get(JAVA_INT, 0x100)).isEqualTo(0xcafe_f00d);
            driver.read(0, 0x100, buffer, 64, 4);
            assertThat(buffer.get(JAVA_INT, 64)).isEqualTo(0xcafe_f00d);
        }
    }

    @Test
    void splitsAccessesThatAreTooLargeForOneMessage() {
        for (int i = 0; i < FakeDevice.BAR2_SIZE; i++) {
            buffer.set(JAVA_BYTE, i, (byte) ((i * 31) >> 3));
        }
        try (VfioUserClient driver = served.driver()) {
            driver.write(2, 0, buffer, 0, FakeDevice.BAR2_SIZE);
            assertThat(served.device.bar2.mismatch(buffer)).isEqualTo(-1);
            buffer.fill((byte) 0);
            driver.read(2, 0, buffer, 0, FakeDevice.BAR2_SIZE);
            assertThat(served.device.bar2.mismatch(buffer)).isEqualTo(-1);
        }
    }

    @Test
    void postedWritesArriveInOrderBeforeTheNextRead() {
        VfioUserClientOptions posted = VfioUserClientOptions.DEFAULTS.withPostedWrites(true);
        try (VfioUserClient driver = VfioUserClient.connect(served.socket, posted)) {
            for (int i = 0; i < 1000; i++) {
                buffer.set(JAVA_INT, 0, i);
                driver.write(0, 8, buffer, 0, 4);
            }
            driver.read(0, 8, buffer, 0, 4);
            assertThat(buffer.get(JAVA_INT, 0)).isEqualTo(999);
            assertThat(served.device.writes).hasValue(1000);
        }
    }

    @Test
    void postedWritesLargerThanTheSocketBufferArrive() {
        VfioUserClientOptions posted = VfioUserClientOptions.DEFAULTS.withPostedWrites(true);
        try (VfioUserClient driver = VfioUserClient.connect(served.socket, posted)) {
            for (int i = 0; i < 8; i++) {
                buffer.fill((byte) (i + 1));
                driver.write(2, 0, buffer, 0, FakeDevice.BAR2_SIZE);
            }
            driver.read(2, FakeDevice.BAR2_SIZE - 4, buffer, 0, 4);
            assertThat(buffer.get(JAVA_INT, 0)).isEqualTo(0x08080808);
        }
    }

    @Test
    void passesMemoryByDescriptor() {
        try (VfioUserClient driver = served.driver();
                Fd memory = MemFd.create("guest", 0x4000)) {
            driver.dmaMap(0x10000, 0x2000, DmaSpace.READ | DmaSpace.WRITE, memory, 0x1000);
            assertThat(served.space().contains(0x10000, 0x2000, 3)).isTrue();
            driver.dmaUnmap(0x10000, 0x2000);
            assertThat(served.space().size()).isZero();
        }
    }

    @Test
    void sendsMoreEventDescriptorsThanOneMessageTakes() {
        List<Fd> fds = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            fds.add(EventFd.create());
        }
        try (VfioUserClient driver = served.driver()) {
            driver.setIrqs(VfioIrqSet.eventFds(
                    VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 2, 5, fds.size(), fds));
            assertThat(served.device.eventFds).hasSize(100);
            assertThat(served.device.irqSets.getFirst().start()).isEqualTo(5);
            assertThat(served.device.irqSets.getLast().start()).isEqualTo(5 + 96);
            assertThat(fds).noneMatch(Fd::isOpen);
        }
    }

    @Test
    void resetsTheDevice() {
        try (VfioUserClient driver = served.driver()) {
            driver.reset();
            assertThat(served.device.resets).hasValue(1);
        }
    }

    @Test
    void failsForGoodOnceTheServerIsGone() {
        try (VfioUserClient driver = served.driver()) {
            served.server.close();
            assertErrno(Errno.ENOTCONN, driver::reset);
            assertErrno(Errno.ENOTCONN, driver::info);
        }
    }

    private static void assertErrno(int errno, Runnable call) {
        assertThatThrownBy(call::run)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }
}
