package org.vfio4j.vfio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.Vfio.VFIO_MIGRATION_P2P;
import static org.vfio4j.uapi.Vfio.VFIO_MIGRATION_PRE_COPY;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/** Registration, the only user, the driver's reference from open to close, and taking a device away. */
class VfioRegistryTest {

    private static final Duration SHORTLY = Duration.ofMillis(5);

    private final VfioRegistry registry = new VfioRegistry(SHORTLY);
    private final FakeDeviceOps ops = new FakeDeviceOps();
    private final AtomicInteger references = new AtomicInteger();

    @Test
    void refusesOperationsWithoutAName() {
        ops.name = "";
        assertErrno(Errno.EINVAL, this::register);
        assertThat(registry.devices()).isEmpty();
    }

    @Test
    void refusesMigrationFlagsThatAreUnknownOrLackStopCopy() {
        for (int flags : new int[] {0, VFIO_MIGRATION_P2P, VFIO_MIGRATION_PRE_COPY, 6, 8, 9, -1}) {
            ops.migration = Optional.of(new FakeMigration(flags));
            assertErrno(Errno.EINVAL, this::register);
        }
        assertThat(registry.devices()).isEmpty();
        for (int flags : new int[] {1, 3, 5, 7}) {
            ops.migration = Optional.of(new FakeMigration(flags));
            register();
        }
    }

    @Test
    void refusesToOpenWhatIsNotThere() {
        assertErrno(Errno.ENODEV, () -> registry.open("vfio0"));
        assertErrno(Errno.ENODEV, () -> registry.open(""));
    }

    @Test
    void refusesASecondUser() {
        register();
        LocalDeviceFile file = registry.open("vfio0");
        assertErrno(Errno.EBUSY, () -> registry.open("vfio0"));
        file.close();
        registry.open("vfio0").close();
        assertThat(ops.log).containsExactly("open", "close", "open", "close");
    }

    @Test
    void refusesToOpenWhileTheDriverIsGoing() {
        registry.register(
                ops,
                () -> {
                    throw new ErrnoException(Errno.ENODEV, "driver fake is going");
                },
                "0000:08:00.0");
        assertErrno(Errno.ENODEV, () -> registry.open("vfio0"));
        assertThat(ops.log).isEmpty();
    }

    @Test
    void givesTheReferenceBackWhenOpeningFails() {
        VfioDevice device = register();
        ops.failOpen = new ErrnoException(Errno.EIO, "broken");
        assertErrno(Errno.EIO, device::open);
        assertThat(references).hasValue(0);
        assertThat(device.isOpen()).isFalse();
    }

    @Test
    void numbersDevicesFromZeroAndUsesFreeNumbersAgain() {
        VfioDevice first = register();
        VfioDevice second = register();
        assertThat(registry.devices()).extracting(VfioDevice::name).containsExactly("vfio0", "vfio1");
        registry.unregister(first);
        assertThat(register().name()).isEqualTo("vfio0");
        assertThat(registry.device("vfio1")).isSameAs(second);
    }

    @Test
    void holdsADriverReferenceFromOpenToClose() {
        VfioDevice device = register();
        assertThat(references).hasValue(0);
        LocalDeviceFile file = device.open();
        assertThat(references).hasValue(1);
        file.close();
        file.close();
        assertThat(references).hasValue(0);
    }

    @Test
    void unregisteringAnIdleDeviceAsksNobody() {
        VfioDevice device = register();
        registry.unregister(device);
        assertThat(ops.log).isEmpty();
        assertErrno(Errno.ENODEV, device::open);
        assertErrno(Errno.ENODEV, () -> registry.unregister(device));
    }

    @Test
    void unregisteringAsksTheUserUntilItLetsGo() throws Exception {
        VfioDevice device = register();
        LocalDeviceFile file = device.open();
        CountDownLatch askedTwice = new CountDownLatch(3);
        ops.onRequest = askedTwice::countDown;
        Thread user = Thread.ofPlatform().daemon().start(() -> {
            try {
                askedTwice.await();
            } catch (InterruptedException e) {
                return;
            }
            file.close();
        });
        registry.unregister(device);
        user.join();
        assertThat(ops.log)
                .startsWith("open", "request 0", "request 1", "request 2")
                .endsWith("close");
        assertThat(registry.devices()).isEmpty();
    }

    @Test
    void aUserThatDoesNotLetGoKeepsTheDevice() {
        VfioDevice device = register();
        LocalDeviceFile file = device.open();
        assertErrno(Errno.EBUSY, () -> registry.unregister(device, Duration.ofMillis(400)));
        assertThat(ops.log).contains("request 0", "request 1");
        file.close();
        device.open().close();
        registry.unregister(device, Duration.ZERO);
    }

    @Test
    void theOperatorIsToldOfEachTimeThatTheUserIsAskedAgain() {
        List<String> told = Collections.synchronizedList(new ArrayList<>());
        Handler listener = new Handler() {
            @Override
            public void publish(LogRecord line) {
                told.add(line.getMessage() + List.of(line.getParameters()));
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        };
        Logger log = Logger.getLogger(VfioDevice.class.getName());
        log.addHandler(listener);
        VfioDevice device = register();
        try (LocalDeviceFile file = device.open()) {
            assertErrno(Errno.EBUSY, () -> registry.unregister(device, Duration.ofMillis(400)));
            assertThat(told.size())
                    .isEqualTo(ops.log.stream()
                                    .filter(line -> line.startsWith("request"))
                                    .count()
                            - 1);
            assertThat(told.getFirst()).contains("is wanted back").contains(device.toString());
            assertThat(file.info().numRegions()).isNotNegative();
        } finally {
            log.removeHandler(listener);
        }
    }

    @Test
    void anInterruptEndsTheWait() {
        VfioDevice device = register();
        LocalDeviceFile file = device.open();
        Thread.currentThread().interrupt();
        assertErrno(Errno.EINTR, () -> registry.unregister(device));
        assertThat(Thread.interrupted()).isTrue();
        file.close();
        registry.open("vfio0").close();
    }

    private VfioDevice register() {
        return registry.register(
                ops,
                () -> {
                    references.incrementAndGet();
                    return references::decrementAndGet;
                },
                "0000:08:00.0");
    }

    private static void assertErrno(int errno, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }
}
