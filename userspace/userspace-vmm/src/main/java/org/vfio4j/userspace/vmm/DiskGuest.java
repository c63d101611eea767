package org.vfio4j.userspace.vmm;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.sys.Errno.ETIMEDOUT;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.userspace.disk.Completion;
import org.vfio4j.userspace.disk.DiskDriver;
import org.vfio4j.userspace.disk.DiskQueue;
import org.vfio4j.userspace.dma.DmaMemory;

/**
 * A guest that writes and reads blocks of a disk at random, and pages of its own memory, and knows at any time what each must
 * hold: wherever it goes on, nothing may be lost, stale or done twice.
 *
 * <p>Its memory is one range: the driver's rings, buffers, for each block of the disk and each page of the rest how often it was written,
 * and that rest. One thread at a time: its own while it runs, the hypervisor's while it is stopped.
 */
public final class DiskGuest implements Guest {

    private static final long FIRST_RANDOM = 0x2545f4914f6cdd1dL;
    private static final int BLOCK = 4096;
    private static final int PAGE = GuestMemory.PAGE_BYTES;

    /** Behind what the driver has taken of its buffers for itself. */
    private static final long DATA_AT = 8192;

    private static final long AWAIT_NS = 1_000_000;
    private static final long IDLE_NS = 100_000_000;
    private static final long LOOK_NS = 50_000_000;
    private static final long PATIENCE_NS = 20_000_000_000L;

    /**
     * What a guest has done since it was made.
     *
     * @param pages of its memory that it has written
     * @param moves how often it went on elsewhere
     */
    public record Counters(long reads, long writes, long pages, long moves) {}

    private final GuestMemory memory;
    private final DmaMemory ram;
    private final GuestDiskKind kind;
    private final GuestDevice device;
    private final DiskDriver disk;
    private final DiskQueue queue;
    private final byte[] shape;
    private final DiskGuestOptions options;

    // Where things are in its memory: offsets in the driver's.
    private final long buffers;
    private final long blocks;
    private final BlockTable blockTable;
    private final GuestPages pages;

    // By request; a block is in one at a time.
    private final long[] blockOf;
    private final BitSet writing;
    private final BitSet busyBlocks = new BitSet();
    private final Completion completion = this::complete;

    private final GuestRandom random;
    private final AtomicLong reads = new AtomicLong();
    private final AtomicLong writes = new AtomicLong();
    private final AtomicLong pagesWritten = new AtomicLong();
    private long moves;
    private long lastLookNs = System.nanoTime();
    private volatile boolean stopping;
    private volatile @Nullable RuntimeException failure;
    private @Nullable Thread thread;

    /** Loads guests that have such a disk as a device is. */
    public static GuestLoader loader(GuestDevice like) {
        GuestDiskKind kind = GuestDiskKind.of(like);
        return new GuestLoader() {
            @Override
            public String kind() {
                return kind.guestKind();
            }

            @Override
            public void check(GuestDevice device, byte[] shape) {
                kind.check(device, shape);
            }

            @Override
            public Guest load(GuestDevice device, GuestMemory memory, byte[] state) {
                return new DiskGuest(kind, device, memory, DiskGuestState.parse(state));
            }
        };
    }

    /**
     * A new one, which does not run yet.
     *
     * @param memory one range, which the device has
     * @throws ErrnoException what the disk's driver says; ENOMEM when the memory is too small for the disk
     */
    public DiskGuest(GuestDevice device, GuestMemory memory, DiskGuestOptions options) {
        GuestDiskKind kind = GuestDiskKind.of(device);
        this(kind, device, memory, kind.open(device, onlyRange(memory)), options, FIRST_RANDOM);
        Arrays.fill(blockOf, DiskGuestState.NONE);
    }

    /** One that goes on. */
    private DiskGuest(GuestDiskKind kind, GuestDevice device, GuestMemory memory, DiskGuestState state) {
        this(
                kind,
                device,
                memory,
                kind.resume(device, onlyRange(memory), state.driver()),
                state.options(),
                state.random());
        reads.set(state.counters().reads());
        writes.set(state.counters().writes());
        pagesWritten.set(state.counters().pages());
        moves = state.counters().moves() + 1;
        writing.or(state.writing());
        for (int tag = 0; tag < blockOf.length; tag++) {
            long block = state.blocks()[tag];
            boolean free = block == DiskGuestState.NONE;
            if (!free && (block < 0 || block >= blocks || busyBlocks.get((int) block))) {
                disk.forget();
                throw new ErrnoException(
                        EINVAL,
                        "state of a guest with a disk: request " + tag + " for block " + block + " of " + blocks);
            }
            blockOf[tag] = block;
            if (!free) {
                busyBlocks.set((int) block);
            }
        }
    }

    private DiskGuest(
            GuestDiskKind kind,
            GuestDevice device,
            GuestMemory memory,
            DiskDriver disk,
            DiskGuestOptions options,
            long random) {
        this.memory = memory;
        this.kind = kind;
        this.device = device;
        this.disk = disk;
        queue = disk.queue(0);
        this.options = options;
        this.random = new GuestRandom(random == 0 ? 1 : random);
        ram = disk.memory();
        shape = disk.save();
        blocks = Math.min(disk.capacityBytes() / BLOCK, Integer.MAX_VALUE);
        blockOf = new long[options.depth()];
        writing = new BitSet(options.depth());
        // Each page costs its own size and an entry.
        long fixed = roundUp((long) options.depth() * BLOCK) + roundUp(blocks * Integer.BYTES);
        try {
            if (ram.allocatedBytes() > DATA_AT) {
                throw new ErrnoException(
                        EINVAL, "driver of a guest's disk: it has taken " + ram.allocatedBytes() + " bytes of buffers");
            }
            if (blocks < 2L * options.depth()) {
                throw new ErrnoException(
                        EINVAL, "a disk of " + blocks + " blocks for " + options.depth() + " requests");
            }
            long left = ram.sizeBytes() - DATA_AT - fixed - PAGE;
            long pageCount = Math.max(0, left / (PAGE + Integer.BYTES));
            buffers = DATA_AT;
            long blockTableAt = DATA_AT + roundUp((long) options.depth() * BLOCK);
            long pageTableAt = DATA_AT + fixed;
            long pagesAt = pageTableAt + roundUp(pageCount * Integer.BYTES);
            blockTable = new BlockTable("block", memory, ram.iova(blockTableAt), blocks);
            pages = new GuestPages(memory, ram, pageTableAt, pagesAt, pageCount, options.dirtyBytesPerSecond());
        } catch (RuntimeException e) {
            disk.forget();
            throw e;
        }
    }

    @Override
    public String kind() {
        return kind.guestKind();
    }

    @Override
    public byte[] shape() {
        return shape.clone();
    }

    /** The driver writes its rings and the guest its buffers at any time; the rest it tells as it writes. */
    @Override
    public void tellWritten() {
        GuestMemory.Range range = memory.ranges().getFirst();
        memory.written(range.iova(), ram.iova(buffers) + (long) options.depth() * BLOCK - range.iova());
    }

    @Override
    public void stop() {
        Thread running = thread;
        thread = null;
        if (running != null) {
            stopping = true;
            LockSupport.unpark(running);
            joinUninterruptibly(running);
        }
    }

    @Override
    public byte[] save() {
        return new DiskGuestState(options, random.state(), counters(), blockOf, writing, disk.save()).toBytes();
    }

    @Override
    public void resume() {
        stopping = false;
        thread = Thread.ofPlatform().daemon().name("vfio-guest").start(this::run);
    }

    @Override
    public void forget() {
        disk.forget();
    }

    /** What it has done; from any thread. */
    public Counters counters() {
        return new Counters(reads.get(), writes.get(), pagesWritten.get(), moves);
    }

    /** What keeps it from going on, from any thread: wrong data, a disk that fails, or ENOTCONN when its server has gone. */
    public Optional<RuntimeException> failure() {
        return Optional.ofNullable(failure);
    }

    /**
     * Ends it: waits for what is in flight, reads back all that it has ever written, and closes the disk.
     *
     * @return how many blocks and pages were checked
     * @throws ErrnoException EIO when something is not what was written; what has kept it from going on
     */
    public long finish() {
        stop();
        try {
            failure().ifPresent(e -> {
                throw e;
            });
            stopping = true;
            drain();
            long checked = 0;
            long buffer = buffers;
            if (options.depth() > 0) {
                MemorySegment data = ram.segment(buffer, BLOCK);
                for (long block = 0; block < blocks; block++) {
                    if (blockTable.isWritten(block)) {
                        readBack(block, buffer, data);
                        checked++;
                    }
                }
            }
            checked += pages.check();
            return checked;
        } finally {
            disk.close();
        }
    }

    private void run() {
        try {
            pages.start();
            long lastNs = System.nanoTime();
            queue.poll(completion);
            while (!stopping) {
                lookForServer();
                startAll();
                count(pagesWritten, pages.writeDue(random));
                if (options.depth() == 0) {
                    LockSupport.parkNanos(options.dirtyBytesPerSecond() > 0 ? AWAIT_NS : IDLE_NS);
                } else if (queue.await(AWAIT_NS)) {
                    queue.poll(completion);
                    lastNs = System.nanoTime();
                } else if (System.nanoTime() - lastNs > PATIENCE_NS) {
                    disk.check();
                    throw new ErrnoException(ETIMEDOUT, "the guest's disk completes nothing");
                }
            }
        } catch (RuntimeException e) {
            failure = e;
        }
    }

    private void startAll() {
        boolean any = false;
        for (int tag = 0; tag < blockOf.length; tag++) {
            if (blockOf[tag] == DiskGuestState.NONE) {
                start(tag);
                any = true;
            }
        }
        if (any) {
            queue.kick();
        }
    }

    private void start(int tag) {
        long block = random.next(blocks);
        while (busyBlocks.get((int) block)) {
            block = random.next(blocks);
        }
        boolean write = random.next(100) >= options.readPercent();
        long buffer = buffers + (long) tag * BLOCK;
        if (write) {
            blockTable.paint(ram.segment(buffer, BLOCK), block, Long.BYTES);
        }
        boolean taken =
                write ? queue.write(block * BLOCK, buffer, BLOCK, tag) : queue.read(block * BLOCK, buffer, BLOCK, tag);
        if (taken) {
            blockOf[tag] = block;
            writing.set(tag, write);
            busyBlocks.set((int) block);
        }
    }

    private void complete(int tag, int result) {
        if (tag < 0 || tag >= blockOf.length || blockOf[tag] == DiskGuestState.NONE) {
            throw new ErrnoException(EPROTO, "the guest's disk completes request " + tag + ", which is not in flight");
        }
        long block = blockOf[tag];
        if (result != 0) {
            throw new ErrnoException(-result, "a request of the guest for block " + block);
        }
        if (writing.get(tag)) {
            blockTable.written(block);
            count(writes, 1);
        } else {
            blockTable.check(ram.segment(buffers + (long) tag * BLOCK, BLOCK), block, Long.BYTES);
            count(reads, 1);
        }
        busyBlocks.clear((int) block);
        blockOf[tag] = DiskGuestState.NONE;
    }

    /** Others look on, but one thread counts. */
    private static void count(AtomicLong counter, long more) {
        counter.lazySet(counter.getPlain() + more);
    }

    private void drain() {
        long start = System.nanoTime();
        queue.poll(completion);
        while (queue.inFlight() > 0) {
            if (System.nanoTime() - start > PATIENCE_NS) {
                disk.check();
                throw new ErrnoException(ETIMEDOUT, queue.inFlight() + " requests of the guest do not complete");
            }
            lookForServer();
            queue.await(AWAIT_NS);
            queue.poll(completion);
        }
    }

    // Completions come without a message: one who waits for them would not hear that there is nobody to make them.
    private void lookForServer() {
        long now = System.nanoTime();
        if (now - lastLookNs > LOOK_NS) {
            lastLookNs = now;
            device.checkServer();
        }
    }

    private void readBack(long block, long buffer, MemorySegment data) {
        data.fill((byte) 0);
        blockOf[0] = block;
        writing.clear(0);
        busyBlocks.set((int) block);
        if (!queue.read(block * BLOCK, buffer, BLOCK, 0)) {
            throw new ErrnoException(EIO, "the guest's queue is full though nothing is in flight");
        }
        queue.kick();
        drain();
    }

    private static DmaMemory onlyRange(GuestMemory memory) {
        if (memory.ranges().size() != 1) {
            throw new ErrnoException(
                    EINVAL,
                    "a guest with a disk has one range of memory, not "
                            + memory.ranges().size());
        }
        return memory.dma(0);
    }

    private static long roundUp(long bytes) {
        return (bytes + PAGE - 1) & -PAGE;
    }

    private static void joinUninterruptibly(Thread running) {
        boolean interrupted = false;
        while (running.isAlive()) {
            try {
                running.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
