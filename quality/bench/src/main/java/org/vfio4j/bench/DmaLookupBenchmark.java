package org.vfio4j.bench;

import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MemFd;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.vfio.IoAddressSpace;

/**
 * The same memory as one map, as 60,000 of a page side by side, and as 60,000 scattered over 4 GiB, as behind a virtual IOMMU:
 * addresses looked up alone, in order and at random; looked up and read, as a device does; and what it costs to change the maps while a
 * window uses them.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class DmaLookupBenchmark {

    /** Where the memory is. */
    public enum Layout {
        ONE_MAP,
        DENSE,
        SCATTERED
    }

    private static final int PAGE = 4096;
    private static final int PAGES = 60_000;
    private static final long BASE = 1L << 32;
    private static final int ADDRESSES = 1 << 16;

    // Beside the memory, in a map of its own.
    private static final long RING = BASE - (1L << 24);

    @Param
    public Layout layout;

    private final IoAddressSpace space = new IoAddressSpace(65535);
    private final long[] addresses = new long[ADDRESSES];
    private final long[] inOrder = new long[ADDRESSES];
    private DmaWindow window;
    private int next;

    @Setup
    public void open() {
        SplittableRandom random = new SplittableRandom(1);
        long[] pages = pages(random);
        int maps = layout == Layout.ONE_MAP ? 1 : PAGES;
        long mapBytes = (long) PAGES / maps * PAGE;
        try (Fd memory = MemFd.create("bench", (long) PAGES * PAGE)) {
            // Downwards, as the kernel places them: then they are one piece to it, and do not use up its limit.
            for (int i = maps - 1; i >= 0; i--) {
                Mapping piece = Mapping.shared(memory, i * mapBytes, mapBytes, Mapping.PROT_READ | Mapping.PROT_WRITE);
                piece.segment().fill((byte) 0);
                space.map(pages[i], DmaSpace.READ | DmaSpace.WRITE, piece);
            }
        }
        space.map(RING, DmaSpace.READ | DmaSpace.WRITE, Mapping.anonymous(16 * PAGE));
        for (int i = 0; i < ADDRESSES; i++) {
            addresses[i] = pages[random.nextInt(PAGES)] + random.nextInt(PAGE / Long.BYTES) * Long.BYTES;
            // A few in each page, then the next.
            inOrder[i] = pages[i / 4 % PAGES] + i % 4 * (PAGE / 4);
        }
        window = space.openWindow();
        window.enter();
    }

    private long[] pages(SplittableRandom random) {
        LongStream pages = layout == Layout.SCATTERED
                ? random.longs(0, 1 << 20).distinct().limit(PAGES).sorted()
                : LongStream.range(0, PAGES);
        return pages.map(page -> BASE + page * PAGE).toArray();
    }

    @TearDown
    public void close() {
        window.leave();
        window.close();
        space.close();
    }

    @Benchmark
    public long lookUp() {
        next = (next + 1) & (ADDRESSES - 1);
        return window.translate(addresses[next], Long.BYTES, DmaSpace.READ);
    }

    @Benchmark
    public long lookUpInOrder() {
        next = (next + 1) & (ADDRESSES - 1);
        return window.translate(inOrder[next], Long.BYTES, DmaSpace.READ);
    }

    /** As for a request: an entry of a ring, which is elsewhere, and the data that it is about. */
    @Benchmark
    public long lookUpTwo() {
        next = (next + 1) & (ADDRESSES - 1);
        return window.translate(RING + (next & 1023) * 64L, 64, DmaSpace.READ)
                ^ window.translate(addresses[next], Long.BYTES, DmaSpace.WRITE);
    }

    /** Where the next access goes depends on what this one reads, as with descriptors and what they point to. */
    @Benchmark
    public long lookUpAndRead() {
        long read = RawMemory.getLong(window.translate(addresses[next], Long.BYTES, DmaSpace.READ));
        next = (next + 1 + (int) read) & (ADDRESSES - 1);
        return read;
    }

    /** One map more and one less, each seen by the window. */
    @Benchmark
    public long change() {
        space.map(0, DmaSpace.READ | DmaSpace.WRITE, Mapping.anonymous(PAGE));
        window.leave();
        window.enter();
        long found = window.translate(0, Long.BYTES, DmaSpace.READ);
        window.leave();
        space.unmap(0, PAGE);
        window.enter();
        return found;
    }
}
