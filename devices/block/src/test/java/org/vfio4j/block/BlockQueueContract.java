package org.vfio4j.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.*;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.Poll;
import org.vfio4j.sys.RawMemory;

/** What every storage that keeps its bytes does. A subclass names the storage. */
abstract class BlockQueueContract {

    static final int SIZE = 1 << 20;
    static final int DEPTH = 32;

    private static final int SECTOR = BlockBackend.SECTOR_BYTES;
    private static final int SLOT = 1 << 16;
    private static final int SEED = 20261123;
    private static final int ROUNDS = 2000;
    private static final long LONG_NS = 10_000_000_000L;

    // A slot of data for each tag, then the vectors.
    private final Mapping memory = Mapping.anonymous((long) DEPTH * SLOT + SLOT);
    private final long vectors = memory.address() + (long) DEPTH * SLOT;
    private final Map<Integer, Integer> results = new HashMap<>();
    BlockBackend backend;
    BlockQueue queue;

    /** A storage of {@link #SIZE} zeroes. */
    abstract BlockBackend open() throws Exception;

    @BeforeEach
    void openQueue() throws Exception {
        backend = open();
        queue = backend.openQueue(DEPTH);
    }

    @AfterEach
    void close() {
        queue.close();
        backend.close();
        memory.close();
    }

    @Test
    void refusesRangesThatAreNotInsideIt() {
        long[][] wrong = {
            {SIZE, SECTOR},
            {SIZE - SECTOR, 2 * SECTOR},
            {-SECTOR, SECTOR},
            {Long.MAX_VALUE - 511, SECTOR},
            {1L << 62, SECTOR}
        };
        for (long[] range : wrong) {
            int length = (int) range[1];
            assertThat(read(range[0], length)).isEqualTo(-EINVAL);
            assertThat(write(range[0], length)).isEqualTo(-EINVAL);
            assertThat(discard(range[0], length)).isEqualTo(-EINVAL);
            assertThat(zero(range[0], length, false)).isEqualTo(-EINVAL);
        }
        assertThat(discard(SECTOR, Long.MAX_VALUE - 511)).isEqualTo(-EINVAL);
        assertThat(discard(0, -SECTOR)).isEqualTo(-EINVAL);
    }

    @Test
    void refusesPartsOfSectors() {
        assertThat(read(1, SECTOR)).isEqualTo(-EINVAL);
        assertThat(read(0, SECTOR - 1)).isEqualTo(-EINVAL);
        assertThat(write(0, 1)).isEqualTo(-EINVAL);
        assertThat(discard(256, SECTOR)).isEqualTo(-EINVAL);
        assertThat(zero(0, 513, true)).isEqualTo(-EINVAL);
    }

    @Test
    void nothingIsDoneAtOnce() {
        assertThat(read(0, 0)).isZero();
        assertThat(write(SIZE, 0)).isZero();
        assertThat(discard(SIZE, 0)).isZero();
        assertThat(zero(0, 0, false)).isZero();
        assertThat(queue.poll(results::put)).isZero();
    }

    @Test
    void theLastSectorIsThere() {
        assertThat(write(SIZE - SECTOR, SECTOR)).isEqualTo(SECTOR);
        assertThat(read(SIZE - SECTOR, SECTOR)).isEqualTo(SECTOR);
        assertThat(flush()).isZero();
    }

    @Test
    void discardedBytesReadAsZeroes() {
        fill(0, SLOT, 0x5a);
        assertThat(write(0, SLOT)).isEqualTo(SLOT);
        assertThat(discard(3 * SECTOR, 20 * SECTOR)).isZero();
        assertThat(read(0, SLOT)).isEqualTo(SLOT);
        byte[] expected = new byte[SLOT];
        Arrays.fill(expected, (byte) 0x5a);
        Arrays.fill(expected, 3 * SECTOR, 23 * SECTOR, (byte) 0);
        assertThat(bytes(0, SLOT)).isEqualTo(expected);
    }

    @Test
    void oneRequestTakesManyPieces() {
        int pieces = 2000;
        for (int i = 0; i < pieces; i++) {
            // Backwards in memory, 256 bytes each.
            long base = memory.address() + (long) (pieces - 1 - i) * 256;
            RawMemory.fill(base, 256, (byte) i);
            IoVecs.set(vectors, i, base, 256);
        }
        queue.writev(0, vectors, pieces, 0);
        assertThat(finish(1)).isEqualTo(Map.of(0, pieces * 256));
        RawMemory.fill(memory.address(), pieces * 256L, (byte) 0xff);
        assertThat(read(512, SECTOR)).isEqualTo(SECTOR);
        assertThat(bytes(0, 1)).containsExactly(2);
        for (int i = 0; i < pieces; i++) {
            IoVecs.set(vectors, i, memory.address() + (long) i * 256, 256);
        }
        queue.readv(0, vectors, pieces, 0);
        assertThat(finish(1)).isEqualTo(Map.of(0, pieces * 256));
        for (int i = 0; i < pieces; i++) {
            assertThat(RawMemory.getByte(memory.address() + i * 256L + 255)).isEqualTo((byte) i);
        }
    }

    @Test
    void manyRequestsAreInFlight() {
        for (int tag = 0; tag < DEPTH; tag++) {
            fill(tag, SECTOR, tag);
            queue.writev(tag * 4096L, vector(tag, SECTOR), 1, tag);
        }
        assertThat(queue.inFlight()).isEqualTo(DEPTH);
        assertThat(finish(DEPTH).values()).containsOnly(SECTOR);
        assertThat(queue.inFlight()).isZero();
        for (int tag = 0; tag < DEPTH; tag++) {
            assertThat(read(tag * 4096L, SECTOR)).isEqualTo(SECTOR);
            assertThat(bytes(0, 2)).containsOnly(tag);
        }
    }

    @Test
    void aCompletionMayStartARequest() {
        List<Integer> order = new ArrayList<>();
        queue.writev(0, vector(0, SECTOR), 1, 0);
        queue.submit();
        BlockCompletion chain = (tag, result) -> {
            order.add(tag);
            switch (order.size()) {
                case 1 -> queue.flush(1);
                case 2 -> queue.readv(1, vector(2, SECTOR), 1, 2); // refused
                case 3 -> queue.discard(0, SECTOR, 0);
                default -> {}
            }
        };
        int delivered = 0;
        while (queue.inFlight() > 0) {
            delivered += queue.poll(chain);
        }
        assertThat(order).containsExactly(0, 1, 2, 0);
        assertThat(delivered).isEqualTo(4);
    }

    @Test
    void anArmedQueueWakesASleeper() {
        try (Fd event = EventFd.create()) {
            queue.wakeBy(event);
            for (int i = 0; i < 200; i++) {
                queue.arm();
                queue.flush(0);
                queue.readv(0, vector(1, SECTOR), 1, 1);
                queue.submit();
                int delivered = queue.poll((tag, result) -> {});
                while (delivered < 2) {
                    assertThat(Poll.poll(event.value(), Poll.POLLIN, LONG_NS)).isEqualTo(Poll.POLLIN);
                    EventFd.drain(event.value());
                    delivered += queue.poll((tag, result) -> {});
                }
                queue.disarm();
                EventFd.drain(event.value());
            }
            queue.flush(0);
            finish(1);
            assertThat(EventFd.drain(event.value())).as("disarmed").isEqualTo(-EAGAIN);
        }
    }

    @Test
    void closingWaitsForWhatIsInFlight() {
        for (int tag = 0; tag < DEPTH; tag++) {
            fill(tag, SLOT / 2, 7);
            queue.writev((long) tag * SLOT / 2, vector(tag, SLOT / 2), 1, tag);
        }
        queue.close();
        queue = backend.openQueue(DEPTH);
        assertThat(read((DEPTH - 1L) * SLOT / 2, SECTOR)).isEqualTo(SECTOR);
        assertThat(bytes(0, 1)).containsExactly(7);
    }

    @Test
    void behavesAsAnArrayOfBytes() {
        Random random = new Random(SEED);
        byte[] model = new byte[SIZE];
        for (int round = 0; round < ROUNDS; round++) {
            int length = SECTOR * (1 + random.nextInt(SLOT / SECTOR));
            int offset = SECTOR * random.nextInt((SIZE - length) / SECTOR + 1);
            switch (random.nextInt(5)) {
                case 0, 1 -> {
                    byte value = (byte) random.nextInt();
                    fill(0, length, value);
                    assertThat(write(offset, length)).isEqualTo(length);
                    Arrays.fill(model, offset, offset + length, value);
                }
                case 2 -> {
                    assertThat(zero(offset, length, random.nextBoolean())).isZero();
                    Arrays.fill(model, offset, offset + length, (byte) 0);
                }
                case 3 -> {
                    assertThat(discard(offset, length)).isZero();
                    Arrays.fill(model, offset, offset + length, (byte) 0);
                }
                default -> {
                    assertThat(read(offset, length)).isEqualTo(length);
                    assertThat(Arrays.equals(bytes(0, length), Arrays.copyOfRange(model, offset, offset + length)))
                            .as("round %d: %d bytes at %d, seed %d", round, length, offset, SEED)
                            .isTrue();
                }
            }
        }
    }

    int read(long offset, int length) {
        queue.readv(offset, vector(0, length), 1, 0);
        return finish(1).get(0);
    }

    int write(long offset, int length) {
        queue.writev(offset, vector(0, length), 1, 0);
        return finish(1).get(0);
    }

    int flush() {
        queue.flush(0);
        return finish(1).get(0);
    }

    int discard(long offset, long length) {
        queue.discard(offset, length, 0);
        return finish(1).get(0);
    }

    int zero(long offset, long length, boolean mayUnmap) {
        queue.writeZeroes(offset, length, mayUnmap, 0);
        return finish(1).get(0);
    }

    byte[] bytes(int tag, int length) {
        return RawMemory.segment(slot(tag), length).toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
    }

    void fill(int tag, int length, int value) {
        RawMemory.fill(slot(tag), length, (byte) value);
    }

    private long slot(int tag) {
        return memory.address() + (long) tag * SLOT;
    }

    long vector(int tag, long length) {
        IoVecs.set(vectors, tag, slot(tag), length);
        return vectors + tag * IoVecs.SIZEOF;
    }

    private Map<Integer, Integer> finish(int count) {
        results.clear();
        queue.submit();
        while (results.size() < count) {
            queue.poll(results::put);
        }
        assertThat(queue.inFlight()).isZero();
        return results;
    }
}
