package org.vfio4j.mdevcore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.mdevcore.TestParent.SMALL;
import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.EUSERS;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.ErrnoException;

/** Many threads, one tree: what is there, what its parent has given out and what listeners heard agree. */
final class MdevConcurrencyTest {

    private static final int THREADS = 8;
    private static final int ROUNDS = 3_000;
    private static final int UUIDS = 40;
    private static final int UNITS = 25;

    /** What the stress may meet. */
    private static final Set<Integer> LEGAL = Set.of(EEXIST, EUSERS, EAGAIN, ENODEV);

    private final MdevBus bus = new MdevBus();
    private final TestParent ops = new TestParent(UNITS);
    private final TestDriver driver = new TestDriver();

    @Test
    void createsAndRemovesLeaveNothingHalfMade() throws Exception {
        MdevParent parent = bus.register("test", "/devices/virtual/test/test", ops, driver);
        Census census = new Census();
        bus.addListener(census);
        run(seed -> {
            Random random = new Random(seed);
            for (int i = 0; i < ROUNDS; i++) {
                UUID uuid = new UUID(0, random.nextInt(UUIDS));
                tolerant(
                        random.nextBoolean()
                                ? () -> bus.create(parent, SMALL, uuid)
                                : () -> bus.remove(uuid, Duration.ofSeconds(10)));
            }
        });
        agree(census);
        assertThat(ops.availableInstances(SMALL))
                .isEqualTo(UNITS - bus.devices().size());
        assertThat(census.events).isGreaterThan(1_000);
    }

    @Test
    void aParentComesAndGoesMeanwhile() throws Exception {
        Census census = new Census();
        bus.addListener(census);
        run(seed -> {
            Random random = new Random(seed);
            for (int i = 0; i < ROUNDS; i++) {
                UUID uuid = new UUID(0, random.nextInt(UUIDS));
                tolerant(
                        switch (random.nextInt(20)) {
                            case 0 -> () -> bus.unregister(bus.parent("test"), Duration.ofSeconds(10));
                            case 1, 2 -> () -> bus.register("test", "/devices/virtual/test/test", ops, driver);
                            case 3, 4, 5, 6, 7, 8 -> () -> bus.remove(uuid, Duration.ofSeconds(10));
                            default -> () -> bus.create(bus.parent("test"), SMALL, uuid);
                        });
            }
        });
        agree(census);
        bus.findParent("test").ifPresent(parent -> bus.unregister(parent, Duration.ZERO));
        assertThat(ops.live).isEmpty();
        assertThat(driver.has).isEmpty();
        assertThat(ops.availableInstances(SMALL)).isEqualTo(UNITS);
    }

    @Test
    void aThousandDevicesAreMadeAtOnce() {
        TestParent large = new TestParent(1_000);
        MdevParent parent = bus.register("large", "/devices/virtual/test/large", large, driver);
        long startNs = System.nanoTime();
        for (int i = 0; i < 1_000; i++) {
            bus.create(parent, SMALL, new UUID(1, i));
        }
        assertThat(Duration.ofNanos(System.nanoTime() - startNs)).isLessThan(Duration.ofSeconds(30));
        assertThat(bus.devices(parent)).hasSize(1_000);
        bus.unregister(parent, Duration.ofSeconds(5));
        assertThat(large.live).isEmpty();
    }

    private void agree(Census census) {
        List<UUID> there = bus.devices().stream().map(MdevDevice::uuid).toList();
        assertThat(ops.live).containsExactlyInAnyOrderElementsOf(there);
        assertThat(driver.has).containsExactlyInAnyOrderElementsOf(there);
        assertThat(census.devices).containsExactlyInAnyOrderElementsOf(there);
        assertThat(census.parents).hasSize(bus.parents().size());
    }

    private interface Work {
        void run(int seed);
    }

    private static void run(Work work) throws Exception {
        try (ExecutorService threads = Executors.newFixedThreadPool(THREADS)) {
            List<Future<?>> all = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                int seed = i;
                all.add(threads.submit(() -> work.run(seed)));
            }
            for (Future<?> one : all) {
                one.get();
            }
        }
    }

    private static void tolerant(Runnable work) {
        try {
            work.run();
        } catch (ErrnoException e) {
            if (!LEGAL.contains(e.errno())) {
                throw e;
            }
        }
    }

    /** Counts what comes and goes, and fails when that makes no sense. */
    private static final class Census implements MdevBusListener {

        private final Set<UUID> devices = ConcurrentHashMap.newKeySet();
        private final Set<MdevParent> parents = ConcurrentHashMap.newKeySet();
        private int events;

        @Override
        public void registered(MdevParent parent) {
            check(parents.isEmpty() && parents.add(parent), "registered", parent);
        }

        @Override
        public void unregistered(MdevParent parent) {
            check(parents.remove(parent), "unregistered", parent);
        }

        @Override
        public void added(MdevDevice device) {
            check(parents.contains(device.parent()) && devices.add(device.uuid()), "added", device);
        }

        @Override
        public void removed(MdevDevice device) {
            check(parents.contains(device.parent()) && devices.remove(device.uuid()), "removed", device);
        }

        private void check(boolean right, String event, Object what) {
            events++;
            if (!right) {
                throw new AssertionError(event + " " + what + " out of turn");
            }
        }
    }
}
