package org.vfio4j.block;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.vfio4j.sys.Errno.EINVAL;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.util.function.IntConsumer;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileStat;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MemFd;
import org.vfio4j.sys.Seals;

/**
 * Which blocks of a storage were written: a bit for each, in memory that two processes share, so that who copies a storage and who writes
 * it need no message for it. A block is 4 KiB, or as much more as it takes to stay within {@value #MAX_BITS} bits.
 *
 * <p>Any thread marks, without a lock and without an allocation; one at a time reads. A writer's order is: the data, then the bit. A
 * reader's is: take the bit away, then read the data. So a write is in what is read, or its bit is there the next time; for this a
 * mark must not skip a bit that is set already.
 */
public final class WriteMap implements AutoCloseable {

    /** A mebibyte of them. */
    static final int MAX_BITS = 8 << 20;

    private static final int MIN_BLOCK_SHIFT = 12;
    private static final VarHandle WORD = JAVA_LONG.varHandle();

    private final Fd memory;
    private final Mapping mapping;
    private final MemorySegment words;
    private final long sizeBytes;
    private final int blockShift;

    private WriteMap(Fd memory, long sizeBytes) {
        this.memory = memory;
        this.sizeBytes = sizeBytes;
        blockShift = blockShift(sizeBytes);
        mapping = Mapping.shared(memory, 0, mapBytes(sizeBytes), Mapping.PROT_READ | Mapping.PROT_WRITE);
        words = mapping.segment();
    }

    /**
     * One without a mark.
     *
     * @param sizeBytes of the storage, above 0
     * @throws ErrnoException when there is no memory
     */
    public static WriteMap create(long sizeBytes) {
        return own(MemFd.create("vfio4j-writes", mapBytes(sizeBytes)), sizeBytes, true);
    }

    /**
     * The one that another process has shared.
     *
     * @param memory owned by this, also when it throws
     * @throws ErrnoException EINVAL when it is no map of a storage of this size, or may shrink
     */
    public static WriteMap shared(Fd memory, long sizeBytes) {
        return own(memory, sizeBytes, false);
    }

    private static WriteMap own(Fd memory, long sizeBytes, boolean fresh) {
        try {
            if (fresh) {
                Seals.add(memory, Seals.F_SEAL_SHRINK | Seals.F_SEAL_GROW | Seals.F_SEAL_SEAL);
            }
            long has = FileStat.of(memory).size();
            boolean sealed = (Seals.get(memory) & Seals.F_SEAL_SHRINK) != 0;
            if (sizeBytes <= 0 || has != mapBytes(sizeBytes) || !sealed) {
                throw new ErrnoException(
                        EINVAL, "writes to a storage of " + sizeBytes + " bytes in memory of " + has + " bytes");
            }
            return new WriteMap(memory, sizeBytes);
        } catch (ErrnoException e) {
            memory.close();
            throw e;
        }
    }

    /** Bytes of a block, a power of two; the last one may have fewer. */
    public int blockBytes() {
        return 1 << blockShift;
    }

    public long sizeBytes() {
        return sizeBytes;
    }

    /** Its memory, for another process: a duplicate, the caller's. */
    public Fd share() {
        return memory.dup();
    }

    /** Marks what a request has written, as far as it is in the storage. */
    public void mark(long offset, long length) {
        if (offset < 0 || offset >= sizeBytes || length <= 0) {
            return;
        }
        long end = length > sizeBytes - offset ? sizeBytes : offset + length;
        long last = (end - 1) >>> blockShift;
        for (long block = offset >>> blockShift; block <= last; ) {
            long word = block >>> 6;
            long lastOfWord = Math.min(last, block | (Long.SIZE - 1));
            long bits = (-1L << block) & (-1L >>> (Long.SIZE - 1 - (lastOfWord & (Long.SIZE - 1))));
            WORD.getAndBitwiseOrRelease(words, word * Long.BYTES, bits);
            block = lastOfWord + 1;
        }
    }

    /** Names each block that was marked since the last time. */
    public void takeMarked(IntConsumer block) {
        for (long at = 0; at < words.byteSize(); at += Long.BYTES) {
            if ((long) WORD.getOpaque(words, at) == 0) {
                continue;
            }
            long found = (long) WORD.getAndSetAcquire(words, at, 0L);
            for (long left = found; left != 0; left &= left - 1) {
                block.accept((int) (at * Byte.SIZE) + Long.numberOfTrailingZeros(left));
            }
        }
    }

    /** Forgets all marks. */
    void clear() {
        takeMarked(block -> {});
    }

    /** Nobody marks any more. */
    @Override
    public void close() {
        mapping.close();
        memory.close();
    }

    private static int blockShift(long sizeBytes) {
        int shift = MIN_BLOCK_SHIFT;
        while ((sizeBytes - 1) >>> shift >= MAX_BITS) {
            shift++;
        }
        return shift;
    }

    private static long mapBytes(long sizeBytes) {
        long blocks = ((Math.max(1, sizeBytes) - 1) >>> blockShift(sizeBytes)) + 1;
        return ((blocks - 1) / Long.SIZE + 1) * Long.BYTES;
    }
}
