package org.vfio4j.vfio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.bus.DmaSpace.READ;
import static org.vfio4j.bus.DmaSpace.WRITE;
import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.sys.Errno.ENOSPC;
import static org.vfio4j.sys.Errno.EOVERFLOW;

import java.util.Random;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MappingSet;
import org.vfio4j.sys.RawMemory;

class IoAddressSpaceTest {

    private static final int PAGE = 4096;
    private static final int MAX_MAPS = 100;
    private static final long LARGE = 2 << 20;

    private final IoAddressSpace space = new IoAddressSpace(MAX_MAPS);
    private final DmaWindow window = space.openWindow();
    private final Mapping host = Mapping.anonymous(4 * PAGE);

    @BeforeEach
    void enter() {
        window.enter();
    }

    private void reenter() {
        window.leave();
        window.enter();
    }

    @AfterEach
    void release() {
        window.close();
        space.close();
        host.close();
    }

    @Test
    void rejectsAMapOfNoBytes() {
        assertErrno(EINVAL, () -> space.map(0, 0, READ, new FakeBacking(0)));
    }

    @Test
    void rejectsAMapPastTheEndOfTheAddressSpace() {
        assertErrno(EOVERFLOW, () -> space.map(-PAGE, 2 * PAGE, READ, new FakeBacking(2 * PAGE)));
    }

    @Test
    void rejectsAMapOverTheLimitOfOne() {
        assertErrno(ENOSPC, () -> space.map(0, IoAddressSpace.MAX_MAP_BYTES + PAGE, READ, new FakeBacking(0)));
        assertErrno(ENOSPC, () -> space.map(0, -PAGE, READ, new FakeBacking(0)));
    }

    @Test
    void rejectsOneMapMoreThanTheLimit() {
        for (int i = 0; i < MAX_MAPS; i++) {
            space.map((long) i * PAGE, PAGE, READ, new FakeBacking(PAGE));
        }
        assertErrno(ENOSPC, () -> space.map((long) MAX_MAPS * PAGE, PAGE, READ, new FakeBacking(PAGE)));
        assertThat(space.size()).isEqualTo(MAX_MAPS);
    }

    @Test
    void rejectsEveryOverlap() {
        space.map(4 * PAGE, 4 * PAGE, READ, new FakeBacking(4 * PAGE));
        for (int[] range : new int[][] {{4, 4}, {3, 2}, {7, 2}, {5, 1}, {0, 100}, {4, 1}, {7, 1}}) {
            assertErrno(
                    EEXIST, () -> space.map((long) range[0] * PAGE, (long) range[1] * PAGE, READ, new FakeBacking(0)));
        }
        space.map(3 * PAGE, PAGE, READ, new FakeBacking(PAGE));
        space.map(8 * PAGE, PAGE, READ, new FakeBacking(PAGE));
    }

    @Test
    void closesTheMemoryOfAMapThatItRefuses() {
        FakeBacking refused = new FakeBacking(0);
        assertErrno(EINVAL, () -> space.map(0, 0, READ, refused));
        assertThat(refused.closed).isTrue();
    }

    @Test
    void unmapsExactlyWhatWasMapped() {
        FakeBacking backing = new FakeBacking(2 * PAGE);
        space.map(PAGE, 2 * PAGE, READ, backing);
        window.leave();
        assertErrno(ENOENT, () -> space.unmap(PAGE, PAGE));
        assertErrno(ENOENT, () -> space.unmap(2 * PAGE, PAGE));
        assertErrno(ENOENT, () -> space.unmap(0, 4 * PAGE));
        assertThat(backing.closed).isFalse();
        space.unmap(PAGE, 2 * PAGE);
        assertThat(backing.closed).isTrue();
        assertErrno(ENOENT, () -> space.unmap(PAGE, 2 * PAGE));
    }

    @Test
    void unmapAllReturnsTheBytesAndClosesEverything() {
        FakeBacking first = new FakeBacking(PAGE);
        FakeBacking second = new FakeBacking(2 * PAGE);
        space.map(0, PAGE, READ, first);
        space.map(-2 * PAGE, 2 * PAGE, READ, second);
        window.leave();
        assertThat(space.unmapAll()).isEqualTo(3 * PAGE);
        assertThat(first.closed && second.closed).isTrue();
        assertThat(space.size()).isZero();
    }

    @Test
    void translatesInsideAMapAndNowhereElse() {
        long address = mapPages(16, 2, READ | WRITE);
        assertThat(window.translate(16 * PAGE, 2 * PAGE, READ)).isEqualTo(address);
        assertThat(window.translate(18 * PAGE - 1, 1, WRITE)).isEqualTo(address + 2 * PAGE - 1);
        assertThat(window.translate(16 * PAGE - 1, 1, READ)).isEqualTo(-ENOENT);
        assertThat(window.translate(16 * PAGE - 1, 2, READ)).isEqualTo(-ENOENT);
        assertThat(window.translate(18 * PAGE, 1, READ)).isEqualTo(-ENOENT);
        assertThat(window.translate(18 * PAGE - 1, 2, READ)).isEqualTo(-ENOENT);
        assertThat(window.translate(16 * PAGE, Long.MAX_VALUE, READ)).isEqualTo(-ENOENT);
    }

    @Test
    void translatesAtTheVeryEndOfTheAddressSpace() {
        long address = mapPages(-1, 1, READ);
        assertThat(window.translate(-1, 1, READ)).isEqualTo(address + PAGE - 1);
        assertThat(window.translate(-1, 2, READ)).isEqualTo(-ENOENT);
    }

    @Test
    void refusesAnAccessThatTheMapDoesNotAllow() {
        mapPages(1, 1, READ);
        mapPages(2, 1, WRITE);
        assertThat(window.translate(PAGE, 1, READ)).isPositive();
        assertThat(window.translate(PAGE, 1, WRITE)).isEqualTo(-EACCES);
        assertThat(window.translate(2 * PAGE, 1, READ)).isEqualTo(-EACCES);
        assertThat(window.translate(2 * PAGE - 1, 2, READ)).isEqualTo(-EACCES);
        assertThat(window.write(PAGE, host.address(), 8)).isEqualTo(-EACCES);
        assertThat(window.read(2 * PAGE, host.address(), 8)).isEqualTo(-EACCES);
    }

    @Test
    void sendsWhatCrossesMapsToReadAndWrite() {
        long first = mapPages(1, 1, READ | WRITE);
        mapPages(2, 1, READ | WRITE);
        FakeBacking third = new FakeBacking(PAGE);
        space.map(3 * PAGE, PAGE, READ | WRITE, third);
        window.enter();
        assertThat(window.translate(2 * PAGE - 8, 16, WRITE)).isZero();
        assertThat(window.translate(PAGE, 3 * PAGE, READ)).isZero();
        assertThat(window.translate(PAGE, 3 * PAGE + 1, READ)).isEqualTo(-ENOENT);
        assertThat(window.translate(3 * PAGE, 8, READ)).isZero();

        RawMemory.fill(host.address(), 4 * PAGE, (byte) 0);
        for (int i = 0; i < PAGE * 2; i++) {
            RawMemory.putByte(host.address() + i, (byte) (i * 7));
        }
        assertThat(window.write(2 * PAGE - 8, host.address(), PAGE + 16)).isZero();
        assertThat(RawMemory.getByte(first + PAGE - 7)).isEqualTo((byte) 7);
        assertThat(third.bytes[0]).isEqualTo((byte) ((PAGE + 8) * 7));
        assertThat(window.read(2 * PAGE - 8, host.address() + 2 * PAGE, PAGE + 16))
                .isZero();
        for (int i = 0; i < PAGE + 16; i++) {
            assertThat(RawMemory.getByte(host.address() + 2 * PAGE + i)).isEqualTo((byte) (i * 7));
        }
        assertThat(window.write(4 * PAGE - 8, host.address(), 16)).isEqualTo(-ENOENT);
    }

    @Test
    void passesOnTheErrorOfABacking() {
        FakeBacking backing = new FakeBacking(PAGE);
        space.map(0, PAGE, READ | WRITE, backing);
        window.enter();
        backing.error = -EIO;
        assertThat(window.read(0, host.address(), 8)).isEqualTo(-EIO);
        assertThat(window.write(0, host.address(), 8)).isEqualTo(-EIO);
    }

    @Test
    void isOfflineWhileARemoteBackingAnswers() {
        FakeBacking backing = new FakeBacking(PAGE);
        backing.remote = true;
        backing.onAccess = () -> {
            assertThat(space.isQuiet()).isTrue();
            // The user takes the memory away while the device waits for it.
            space.unmapAll();
        };
        space.map(0, 2 * PAGE, READ, backing);
        window.enter();
        assertThat(window.read(0, host.address(), 8)).isZero();
        assertThat(space.isQuiet()).isFalse();
        assertThat(window.read(0, host.address(), 8)).isEqualTo(-ENOENT);
    }

    @Test
    void changesTheGenerationWithTheMapsOnly() {
        long before = window.generation();
        window.leave();
        window.enter();
        assertThat(window.generation()).isEqualTo(before);
        mapPages(1, 1, READ);
        assertThat(window.generation()).isNotEqualTo(before);
    }

    @Test
    void namesMappingsThatAreLargeAndMayBeReadAndWritten() {
        assertThat(window.mappings()).isSameAs(MappingSet.EMPTY);
        Mapping large = Mapping.anonymous(LARGE);
        space.map(0, READ | WRITE, large);
        assertThat(window.mappings()).as("before it is entered anew").isSameAs(MappingSet.EMPTY);
        reenter();
        MappingSet first = window.mappings();
        assertThat(first.all()).containsExactly(large);
        space.map(LARGE, READ, Mapping.anonymous(LARGE));
        space.map(2 * LARGE, WRITE, Mapping.anonymous(LARGE));
        space.map(3 * LARGE, LARGE, READ | WRITE, new FakeBacking(0));
        space.map(4 * LARGE, READ | WRITE, Mapping.anonymous(LARGE - PAGE));
        reenter();
        assertThat(window.mappings()).isSameAs(first);
        window.leave();
        space.unmap(4 * LARGE, LARGE - PAGE);
        space.unmap(0, LARGE);
        window.enter();
        assertThat(window.mappings().all()).isEmpty();
        window.leave();
        space.unmapAll();
        window.enter();
        assertThat(window.mappings()).isSameAs(MappingSet.EMPTY);
    }

    /** Those of a guest's IOMMU come and go, and change nothing; and of large ones it is the first few. */
    @Test
    void namesFewMappingsHoweverManyMapsThereAre() {
        int count = 60_000;
        try (IoAddressSpace many = new IoAddressSpace(count);
                DmaWindow seer = many.openWindow()) {
            for (int i = 0; i < 2 * MappingSet.LIMIT; i++) {
                many.map(i * LARGE, READ | WRITE, Mapping.anonymous(LARGE));
            }
            seer.enter();
            MappingSet first = seer.mappings();
            assertThat(first.all()).hasSize(MappingSet.LIMIT);
            seer.leave();
            for (int i = 2 * MappingSet.LIMIT; i < count; i++) {
                many.map(i * LARGE, LARGE, READ | WRITE, new FakeBacking(0));
            }
            seer.enter();
            assertThat(seer.mappings()).isSameAs(first);
            seer.leave();
            many.unmap((2 * MappingSet.LIMIT - 1) * LARGE, LARGE);
            seer.enter();
            assertThat(seer.mappings()).isSameAs(first);
            seer.leave();
        }
    }

    @Test
    void findsEachOfSixtyThousandMapsWhileTheyComeAndGo() {
        int count = 60_000;
        try (IoAddressSpace large = new IoAddressSpace(count);
                DmaWindow seer = large.openWindow()) {
            for (int i = 0; i < count; i++) {
                // An address for each that no neighbour gives away.
                large.map((long) i * 3 * PAGE, PAGE, READ, new FakeBacking(0));
                seer.enter();
                assertThat(seer.translate((long) i * 3 * PAGE, PAGE, READ)).isZero();
                seer.leave();
            }
            for (int i = 0; i < count; i++) {
                seer.enter();
                assertThat(seer.translate((long) i * 3 * PAGE, PAGE, READ)).isZero();
                assertThat(seer.translate((long) i * 3 * PAGE + PAGE, 1, READ)).isEqualTo(-ENOENT);
                seer.leave();
                large.unmap((long) i * 3 * PAGE, PAGE);
            }
            assertThat(large.size()).isZero();
        }
    }

    @Test
    void findsEveryByteAsAModelDoes() {
        Random random = new Random(4711);
        long[] model = new long[64];
        for (int round = 0; round < 200; round++) {
            int page = random.nextInt(model.length);
            if (model[page] != 0) {
                window.leave();
                space.unmap((long) page * PAGE, PAGE);
                model[page] = 0;
            } else {
                model[page] = mapPages(page, 1, READ | WRITE);
            }
            window.enter();
            for (int i = 0; i < model.length; i++) {
                long expected = model[i] == 0 ? -ENOENT : model[i] + 5;
                assertThat(window.translate((long) i * PAGE + 5, 1, READ)).isEqualTo(expected);
            }
        }
    }

    private long mapPages(long page, int pages, int access) {
        Mapping mapping = Mapping.anonymous((long) pages * PAGE);
        space.map(page * PAGE, access, mapping);
        window.enter();
        return mapping.address();
    }

    private static void assertErrno(int errno, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }

    private static final class FakeBacking implements DmaBacking {
        final byte[] bytes;
        boolean closed;
        boolean remote;
        int error;
        Runnable onAccess = () -> {};

        FakeBacking(int sizeBytes) {
            bytes = new byte[sizeBytes];
        }

        @Override
        public boolean isRemote() {
            return remote;
        }

        @Override
        public int read(long offset, long hostAddress, long length) {
            onAccess.run();
            for (int i = 0; i < length && error == 0; i++) {
                RawMemory.putByte(hostAddress + i, bytes[(int) offset + i]);
            }
            return error;
        }

        @Override
        public int write(long offset, long hostAddress, long length) {
            onAccess.run();
            for (int i = 0; i < length && error == 0; i++) {
                bytes[(int) offset + i] = RawMemory.getByte(hostAddress + i);
            }
            return error;
        }

        @Override
        public void close() {
            closed = true;
        }
    }
}
