package org.vfio4j.bus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.bus.BusTesting.FIRST;
import static org.vfio4j.bus.BusTesting.ITS_ID;
import static org.vfio4j.bus.BusTesting.SECOND;
import static org.vfio4j.bus.BusTesting.assertErrno;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINTR;
import static org.vfio4j.sys.Errno.ENODEV;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.vfio4j.sys.ErrnoException;

/** A device that is given back slowly keeps nobody from others, and several threads at once leave a bus that makes sense. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class BindingConcurrencyTest {

    private static final Duration SHORTLY = Duration.ofMillis(20);

    private final PciBus bus = new PciBus();
    private final HeldDriver held = new HeldDriver("held", ITS_ID);
    private final AtomicReference<Throwable> failure = new AtomicReference<>();

    @Test
    void unbindWithALimitFailsAndLeavesTheDeviceAsItWas() {
        PciDevice device = used();
        CountDownLatch user = held.use(device);
        assertErrno(EBUSY, () -> bus.unbind(device, SHORTLY));
        assertErrno(EBUSY, () -> bus.remove(device, SHORTLY));
        assertThat(device.driver()).contains(held);
        assertThat(device.driverData(HeldDriver.class)).isSameAs(held);
        assertThat(bus.devices()).containsExactly(device);
        user.countDown();
        bus.unbind(device, SHORTLY);
        assertThat(device.driver()).isEmpty();
    }

    @Test
    void anInterruptEndsTheWaitAndLeavesTheDeviceAsItWas() {
        PciDevice device = used();
        held.use(device);
        Thread.currentThread().interrupt();
        assertErrno(EINTR, () -> bus.unbind(device));
        assertThat(Thread.interrupted()).isTrue();
        assertThat(device.driver()).contains(held);
    }

    @Test
    void othersGoOnWhileADeviceWaitsForItsUser() throws Exception {
        PciDevice device = used();
        CountDownLatch user = held.use(device);
        Thread unbinding = start(() -> bus.unbind(device));
        held.waiting.await();
        PciDevice second = bus.add(SECOND, new FakeFunction());
        assertThat(second.driver()).contains(held);
        bus.unbind(second);
        bus.bind(second, "held");
        FakeDriver late = new FakeDriver("late", ITS_ID);
        bus.register(late);
        bus.addId("late", PciDeviceId.of(1, 2));
        bus.setDriverOverride(device, Optional.of("late"));
        bus.remove(second);
        bus.unregister(late);
        assertThat(bus.devices()).containsExactly(device);
        user.countDown();
        join(unbinding);
        assertThat(device.driver()).isEmpty();
    }

    @Test
    void aDeviceThatIsBeingUnboundIsItsDriversUntilThatIsDone() throws Exception {
        PciDevice device = used();
        CountDownLatch user = held.use(device);
        Thread unbinding = start(() -> bus.unbind(device));
        held.waiting.await();
        assertErrno(EBUSY, () -> bus.bind(device, "held"));
        assertErrno(EBUSY, () -> bus.unbind(device, SHORTLY));
        assertErrno(EBUSY, () -> bus.remove(device, SHORTLY));
        assertThat(bus.probe(device)).isTrue();
        assertThat(device.driver()).contains(held);
        user.countDown();
        join(unbinding);
        assertErrno(ENODEV, () -> bus.unbind(device));
    }

    @Test
    void whoWaitsForAnUnbindFindsTheDeviceUnbound() throws Exception {
        PciDevice device = used();
        CountDownLatch user = held.use(device);
        Thread first = start(() -> bus.unbind(device));
        held.waiting.await();
        AtomicInteger errno = new AtomicInteger();
        Thread second = Thread.ofPlatform().daemon().start(() -> {
            try {
                bus.unbind(device);
            } catch (ErrnoException e) {
                errno.set(e.errno());
            }
        });
        while (second.getState() != Thread.State.TIMED_WAITING) {
            Thread.onSpinWait();
        }
        user.countDown();
        join(first);
        second.join();
        assertThat(errno).hasValue(ENODEV);
    }

    @Test
    void whatIsGoneCannotBeBoundAgain() {
        PciDevice device = used();
        bus.remove(device);
        assertErrno(ENODEV, () -> bus.bind(device, "held"));
        assertErrno(ENODEV, () -> bus.unbind(device));
        assertThat(bus.probe(device)).isFalse();
        assertErrno(ENODEV, () -> bus.remove(device));
    }

    @Test
    void hundredsOfChangesByManyThreadsLeaveABusThatMakesSense() throws Exception {
        HeldDriver other = new HeldDriver("other", ITS_ID);
        bus.register(held);
        bus.register(other);
        Consistency consistency = new Consistency();
        bus.addListener(consistency);
        List<PciDevice> devices = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            devices.add(bus.add(new PciAddress(0, 1, i, 0), new FakeFunction()));
        }
        PciAddress plug = new PciAddress(0, 2, 0, 0);
        List<Thread> threads = new ArrayList<>();
        for (int t = 0; t < 6; t++) {
            int seed = t;
            threads.add(start(() -> {
                for (int i = 0; i < 300; i++) {
                    PciDevice device = devices.get((i * 7 + seed) % devices.size());
                    int turn = (i + seed) % 7;
                    tryTo(() -> {
                        switch (turn) {
                            case 0 -> bus.unbind(device, SHORTLY);
                            case 1 -> bus.bind(device, "held");
                            case 2 -> bus.bind(device, "other");
                            case 3 -> bus.probe(device);
                            case 4 -> bus.remove(bus.add(plug, new FakeFunction()), SHORTLY);
                            case 5 -> bus.unregister(other);
                            default -> bus.register(other);
                        }
                    });
                }
            }));
        }
        for (Thread thread : threads) {
            join(thread);
        }
        assertThat(held.collisions).hasValue(0);
        assertThat(other.collisions).hasValue(0);
        assertThat(consistency.wrong).isEmpty();
        assertThat(bus.devices()).containsExactlyElementsOf(devices);
        for (PciDevice device : devices) {
            assertThat(held.has.contains(device))
                    .isEqualTo(device.driver().filter(held::equals).isPresent());
            assertThat(other.has.contains(device))
                    .isEqualTo(device.driver().filter(other::equals).isPresent());
        }
        if (bus.drivers().contains(other)) {
            bus.unregister(other);
        }
        bus.unregister(held);
        assertThat(held.has).isEmpty();
        assertThat(other.has).isEmpty();
    }

    /** Hears every device come before it changes, go after that, and change from one driver to none and back. */
    private static final class Consistency implements PciBusListener {

        final List<String> wrong = new ArrayList<>();
        private final Map<PciDevice, Optional<PciDriver>> known = new ConcurrentHashMap<>();

        @Override
        public void added(PciDevice device) {
            expect(known.put(device, device.driver()) == null, "added twice", device);
        }

        @Override
        public void removed(PciDevice device) {
            Optional<PciDriver> last = known.remove(device);
            expect(last != null && last.isEmpty(), "removed while bound or unknown", device);
        }

        @Override
        public void changed(PciDevice device) {
            Optional<PciDriver> last = known.put(device, device.driver());
            expect(last != null && last.isPresent() != device.driver().isPresent(), "changed to the same", device);
        }

        @Override
        public void configWritten(PciDevice device) {}

        private void expect(boolean right, String what, PciDevice device) {
            if (!right) {
                wrong.add(what + " " + device);
            }
        }
    }

    private PciDevice used() {
        bus.register(held);
        return bus.add(FIRST, new FakeFunction());
    }

    private Thread start(Runnable body) {
        return Thread.ofPlatform().daemon().start(() -> {
            try {
                body.run();
            } catch (Throwable t) {
                failure.compareAndSet(null, t);
            }
        });
    }

    private void join(Thread thread) throws InterruptedException {
        thread.join();
        assertThat(failure.get()).isNull();
    }

    private static void tryTo(Runnable change) {
        try {
            change.run();
        } catch (ErrnoException e) {
            // Another thread was there first.
        }
    }
}
