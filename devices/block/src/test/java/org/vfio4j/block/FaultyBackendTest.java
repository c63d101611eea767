package org.vfio4j.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.ECANCELED;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENOSPC;

import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.block.testing.Fault;
import org.vfio4j.block.testing.FaultyBackend;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.Poll;

/** What tests of disks rely on. */
class FaultyBackendTest {

    private static final int SIZE = 1 << 16;

    private final FaultyBackend storage = new FaultyBackend(new MemoryBackend(SIZE));
    private final BlockQueue queue = storage.openQueue(8);
    private final Mapping memory = Mapping.anonymous(8192);
    private final Map<Integer, Integer> results = new HashMap<>();

    @AfterEach
    void close() {
        queue.close();
        storage.close();
        memory.close();
    }

    @Test
    void failsWhatTouchesTheRangeAndNothingElse() {
        storage.add(new Fault.Fails(4096, 512, EIO));
        read(4096 - 512, 1024, 0);
        read(4096 - 512, 512, 1);
        read(4096 + 512, 512, 2);
        queue.flush(3);
        assertThat(poll()).isEqualTo(Map.of(0, -EIO, 1, 512, 2, 512, 3, -EIO));
        storage.clear();
        read(4096, 512, 0);
        assertThat(poll()).isEqualTo(Map.of(0, 512));
    }

    @Test
    void isFullForWritesAlone() {
        storage.add(new Fault.Full(32768, SIZE));
        queue.writev(32768, vector(512), 1, 0);
        queue.writeZeroes(32768, 512, false, 1);
        queue.writev(0, vector(512), 1, 2);
        read(32768, 512, 3);
        assertThat(poll()).isEqualTo(Map.of(0, -ENOSPC, 1, -ENOSPC, 2, 512, 3, 512));
    }

    @Test
    void fallsShort() {
        storage.add(new Fault.FallsShort(0, 4096));
        read(0, 4096, 0);
        read(0, 512, 1);
        assertThat(poll()).isEqualTo(Map.of(0, 2048, 1, 0));
    }

    @Test
    void stallsUntilItIsReleasedWhichWakesASleeper() throws InterruptedException {
        try (Fd event = EventFd.create()) {
            queue.wakeBy(event);
            storage.add(new Fault.Stalls(0, 512));
            read(0, 512, 0);
            read(512, 512, 1);
            assertThat(poll()).isEqualTo(Map.of(1, 512));
            assertThat(queue.inFlight()).isEqualTo(1);
            assertThat(storage.stalled()).isEqualTo(1);
            queue.arm();
            Thread other = Thread.ofPlatform().start(storage::release);
            assertThat(Poll.poll(event.value(), Poll.POLLIN, 10_000_000_000L)).isEqualTo(Poll.POLLIN);
            other.join();
            assertThat(poll()).isEqualTo(Map.of(0, 512));
            assertThat(storage.stalled()).isZero();
        }
    }

    @Test
    void whatStallsIsTakenBackAndWhatSticksIsNot() {
        storage.add(new Fault.Stalls(0, 512)).add(new Fault.Sticks(512, 512));
        read(0, 512, 0);
        read(512, 512, 1);
        read(1024, 512, 2);
        assertThat(poll()).isEqualTo(Map.of(2, 512));
        assertThat(queue.cancel(0)).isTrue();
        assertThat(queue.cancel(0)).isFalse();
        assertThat(queue.cancel(1)).isFalse();
        assertThat(poll()).isEqualTo(Map.of(0, -ECANCELED));
        storage.release();
        assertThat(poll()).isEqualTo(Map.of(1, 512));
    }

    @Test
    void completesOneAtATime() {
        storage.completeAtATime(1);
        for (int tag = 0; tag < 3; tag++) {
            read(0, 512, tag);
        }
        for (int i = 0; i < 3; i++) {
            assertThat(queue.inFlight()).isEqualTo(3 - i);
            assertThat(poll()).hasSize(1);
        }
        assertThat(queue.inFlight()).isZero();
    }

    private void read(long offset, int length, int tag) {
        queue.readv(offset, vector(length), 1, tag);
    }

    private long vector(int length) {
        IoVecs.set(memory.address(), 0, memory.address() + 4096, length);
        return memory.address();
    }

    private Map<Integer, Integer> poll() {
        results.clear();
        queue.submit();
        queue.poll(results::put);
        return results;
    }
}
