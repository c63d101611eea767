package org.vfio4j.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.virtioblk.DiskFixture.ALL_FEATURES;
import static org.vfio4j.virtioblk.DiskFixture.QUEUE_SIZE;
import static org.vfio4j.virtioblk.VirtioBlkSpec.*;

import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.block.NullBackend;
import org.vfio4j.virtio.VirtioConfig;

/**
 * Random descriptors, headers and indices: the device answers or asks for a reset, always ends, and never leaves the memory that
 * it was given; memory behind the last map belongs to nobody, so that a stray access would end this process.
 */
class RandomRingTest {

    private static final long DISK = 1 << 20;
    private static final long ENOUGH_NS = 1_500_000_000L;
    private static final int[] TYPES = {0, 1, 4, 8, 11, 13, 14, -1};

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void endsWhateverTheDriverOffers(long seed) {
        RandomGenerator random = RandomGeneratorFactory.of("Xoshiro256PlusPlus").create(seed);
        boolean remote = seed % 2 == 0;
        try (DiskFixture fixture = new DiskFixture(new NullBackend(DISK), builder -> builder)) {
            long deadline = System.nanoTime() + ENOUGH_NS;
            fixture.start(ALL_FEATURES, remote);
            long area = fixture.memory.mapped(1 << 16);
            long table = fixture.memory.mapped(16 * QUEUE_SIZE);
            int rounds = 0;
            while (System.nanoTime() < deadline) {
                rounds++;
                if (needsReset(fixture)) {
                    fixture.driver.reset();
                    restart(fixture);
                }
                offerSomething(random, fixture, area, table);
            }
            fixture.driver.reset();
            assertThat(rounds).isGreaterThan(10);
            assertThat(fixture.driver.status()).isZero();
        }
    }

    private static void restart(DiskFixture fixture) {
        fixture.driver.negotiate(ALL_FEATURES);
        fixture.ring.setAvailIndex(0);
        fixture.driver.setUpQueue(0, fixture.ring, 0xffff);
        fixture.driver.driverOk();
    }

    private static void offerSomething(RandomGenerator random, DiskFixture fixture, long area, long table) {
        for (int i = 0; i < QUEUE_SIZE; i++) {
            long where = random.nextInt(4) == 0 ? table : fixture.ring.desc();
            fixture.ring.describe(
                    where, i, address(random, fixture, area, table), length(random), flags(random), next(random));
        }
        for (int i = 0; i < 16; i++) {
            fixture.header(area + 64L * i, TYPES[random.nextInt(TYPES.length)], random.nextInt(4) * 1000L - 1000);
        }
        int heads = random.nextInt(8);
        for (int i = 0; i < heads; i++) {
            fixture.ring.offer(random.nextInt(50) == 0 ? random.nextInt(0x10000) : random.nextInt(QUEUE_SIZE));
        }
        if (random.nextInt(100) == 0) {
            fixture.ring.setAvailIndex(random.nextInt());
        }
        fixture.driver.notifyQueue(0);
    }

    private static long address(RandomGenerator random, DiskFixture fixture, long area, long table) {
        return switch (random.nextInt(20)) {
            case 0 -> random.nextLong();
            case 1 -> fixture.memory.end() - random.nextInt(4096);
            case 2 -> fixture.memory.end() - DiskFixture.GUEST_BYTES + random.nextInt(4096);
            case 3, 4 -> table;
            default -> area + 64L * random.nextInt(16);
        };
    }

    private static int length(RandomGenerator random) {
        return switch (random.nextInt(10)) {
            case 0 -> random.nextInt();
            case 1 -> 0;
            case 2, 3 -> 1;
            case 4 -> 16 * random.nextInt(8);
            case 5, 6 -> 512 * random.nextInt(16);
            default -> HEADER_SIZE;
        };
    }

    private static int flags(RandomGenerator random) {
        return random.nextInt(20) == 0 ? random.nextInt(0x10000) : random.nextInt(4);
    }

    private static int next(RandomGenerator random) {
        return random.nextInt(30) == 0 ? random.nextInt(0x10000) : random.nextInt(QUEUE_SIZE);
    }

    private static boolean needsReset(DiskFixture fixture) {
        return (fixture.driver.status() & VirtioConfig.VIRTIO_CONFIG_S_NEEDS_RESET) != 0;
    }
}
