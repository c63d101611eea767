package org.vfio4j.vfio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.bus.DmaSpace.READ;
import static org.vfio4j.bus.DmaSpace.WRITE;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.sys.Errno.ENOMEM;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DmaFollower;
import org.vfio4j.bus.DmaMemory;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MemFd;

/** Who follows an address space has what it has: what hardware behind an IOMMU needs. */
class DmaFollowerTest {

    private static final int PAGE = 4096;
    private static final int READ_WRITE = READ | WRITE;

    private final IoAddressSpace space = new IoAddressSpace(4);
    private final Follower follower = new Follower();
    private final Fd memory = MemFd.create("follower", 4 * PAGE);

    @AfterEach
    void close() {
        space.close();
        memory.close();
    }

    @Test
    void comesBeforeTheFirstMap() {
        map(0, 0);
        assertErrno(EBUSY, () -> space.follow(follower));
        assertThat(space.isFollowed()).isFalse();
        space.unmapAll();
        space.follow(follower);
        assertThat(space.isFollowed()).isTrue();
    }

    @Test
    void aMapThatItRefusesIsNotThereAndIsNoLongerAskedFor() {
        Follower second = new Follower();
        space.follow(follower);
        space.follow(second);
        second.failure = ENOMEM;
        int mappings = Mapping.openCount();
        assertErrno(ENOMEM, () -> map(0x10000, 0));
        assertThat(space.size()).isZero();
        assertThat(Mapping.openCount()).isEqualTo(mappings);
        assertThat(follower.log).containsExactly("map 10000 1000 3", "unmap 10000 1000");
        assertThat(second.log).isEmpty();
        try (DmaWindow window = space.openWindow()) {
            window.enter();
            assertThat(window.translate(0x10000, PAGE, READ)).isEqualTo(-ENOENT);
        }
        second.failure = 0;
        map(0x10000, 0);
        assertThat(space.contains(0x10000, PAGE, READ_WRITE)).isTrue();
    }

    @Test
    void aMapThatTheSpaceRefusesItDoesNotHearOf() {
        space.follow(follower);
        map(0, 0);
        assertErrno(EEXIST, () -> map(0, PAGE));
        assertThat(follower.log).containsExactly("map 0 1000 3");
    }

    @Test
    void isToldWhatTheMapIsOfAndWhereInIt() {
        space.follow(follower);
        map(0x4000, 2 * PAGE);
        assertThat(follower.offsets).containsExactly(2L * PAGE);
        space.map(0x8000, READ, Mapping.shared(memory, 0, PAGE, Mapping.PROT_READ));
        assertThat(follower.offsets).containsExactly(2L * PAGE, -1L);
        space.map(0x9000, PAGE, READ_WRITE, new FileDmaBacking(memory.dup(), PAGE));
        assertThat(follower.offsets).containsExactly(2L * PAGE, -1L, (long) PAGE);
    }

    @Test
    void hasAMapBeforeWindowsSeeItAndForNoLongerThanItsMemory() {
        try (DmaWindow window = space.openWindow()) {
            space.follow(new DmaFollower() {
                @Override
                public void map(long iova, long sizeBytes, int access, Optional<DmaMemory> of) {
                    window.enter();
                    assertThat(window.translate(iova, sizeBytes, access)).isEqualTo(-ENOENT);
                    window.leave();
                }

                @Override
                public void unmap(long iova, long sizeBytes) {
                    assertThat(Mapping.openCount()).isEqualTo(mappings + 1);
                }

                private final int mappings = Mapping.openCount();
            });
            map(0, 0);
            window.enter();
            assertThat(window.translate(0, PAGE, READ)).isPositive();
            window.leave();
            space.unmap(0, PAGE);
        }
    }

    @Test
    void unmapsOneAndAll() {
        space.follow(follower);
        map(0, 0);
        map(0x1000, PAGE);
        map(0x2000, 2 * PAGE);
        assertErrno(ENOENT, () -> space.unmap(0x1000, 2 * PAGE));
        follower.log.clear();
        space.unmap(0x1000, PAGE);
        assertThat(follower.log).containsExactly("unmap 1000 1000");
        assertThat(space.unmapAll()).isEqualTo(2 * PAGE);
        assertThat(follower.log).containsExactly("unmap 1000 1000", "unmap 0 1000", "unmap 2000 1000");
    }

    @Test
    void hasNothingMoreWhenItFollowsNoLonger() {
        space.follow(follower);
        map(0, 0);
        map(0x1000, PAGE);
        space.unfollow(follower);
        assertThat(follower.log).endsWith("unmap 0 1000", "unmap 1000 1000").hasSize(4);
        assertThat(space.size()).isEqualTo(2);
        assertThat(space.isFollowed()).isFalse();
        space.unmap(0, PAGE);
        map(0x2000, 0);
        assertThat(follower.log).hasSize(4);
    }

    @Test
    void oneThatCannotLetGoKeepsNoMemoryHere() {
        int mappings = Mapping.openCount();
        space.follow(follower);
        map(0, 0);
        map(0x1000, PAGE);
        follower.failure = EIO;
        assertErrno(EIO, () -> space.unmap(0, PAGE));
        assertThat(space.overlaps(0, PAGE)).isFalse();
        assertErrno(EIO, space::unmapAll);
        assertThat(space.size()).isZero();
        assertThat(Mapping.openCount()).isEqualTo(mappings);
    }

    private void map(long iova, long offset) {
        Mapping mapping = Mapping.shared(memory, offset, PAGE, Mapping.PROT_READ | Mapping.PROT_WRITE);
        space.map(iova, READ_WRITE, mapping, new DmaMemory(memory, offset));
    }

    private static void assertErrno(int errno, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }

    private static final class Follower implements DmaFollower {

        final List<String> log = new ArrayList<>();
        final List<Long> offsets = new ArrayList<>();
        int failure;

        @Override
        public void map(long iova, long sizeBytes, int access, Optional<DmaMemory> memory) {
            fail();
            log.add("map " + Long.toHexString(iova) + " " + Long.toHexString(sizeBytes) + " " + access);
            offsets.add(memory.map(DmaMemory::offset).orElse(-1L));
        }

        @Override
        public void unmap(long iova, long sizeBytes) {
            fail();
            log.add("unmap " + Long.toHexString(iova) + " " + Long.toHexString(sizeBytes));
        }

        private void fail() {
            if (failure != 0) {
                throw new ErrnoException(failure, "follow");
            }
        }
    }
}
