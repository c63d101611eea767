package org.vfio4j.bench;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.vfio4j.block.BlockCompletion;
import org.vfio4j.block.BlockQueue;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileCaching;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;

/**
 * Random 4 KiB requests to a file through the file backend, with a fixed number in flight: the counterpart of uring.c, with its
 * arguments: file, depth, seconds, then any of write, direct, iopoll. Prints requests per second.
 */
public final class FileLoop implements BlockCompletion {

    private static final int BYTES = 4096;
    private static final int IOVEC = 16;

    private final BlockQueue queue;
    private final long blocks;
    private final long iovs;
    private final long buffers;
    private final boolean writes;
    private long random = 0x9e3779b97f4a7c15L;
    private boolean ending;
    private long done;

    private FileLoop(BlockQueue queue, long blocks, Mapping memory, int depth, boolean writes) {
        this.queue = queue;
        this.writes = writes;
        this.blocks = blocks;
        buffers = memory.address();
        iovs = buffers + (long) depth * BYTES;
    }

    public static void main(String[] args) {
        int depth = Integer.parseInt(args[1]);
        long ns = Long.parseLong(args[2]) * 1_000_000_000;
        List<String> words = List.of(args).subList(3, args.length);
        boolean writes = words.contains("write");
        FileCaching caching = words.contains("direct") ? FileCaching.DIRECT : FileCaching.PAGE_CACHE;
        FileIoMode mode = words.contains("iopoll") ? FileIoMode.IOPOLL : FileIoMode.URING;
        try (FileBackend file = FileBackend.open(Path.of(args[0]), !writes, mode, caching);
                BlockQueue queue = file.openQueue(depth);
                Mapping memory = Mapping.anonymous((long) depth * (BYTES + IOVEC) + BYTES)) {
            FileLoop loop = new FileLoop(queue, file.sizeBytes() / BYTES, memory, depth, writes);
            loop.run(depth, ns / 2);
            System.out.printf(Locale.ROOT, "%.0f%n", loop.run(depth, ns));
        }
    }

    private double run(int depth, long ns) {
        done = 0;
        ending = false;
        long begin = System.nanoTime();
        for (int tag = 0; tag < depth; tag++) {
            start(tag);
        }
        while (queue.inFlight() > 0) {
            queue.submit();
            queue.poll(this);
            ending = System.nanoTime() - begin >= ns;
        }
        return done * 1e9 / (System.nanoTime() - begin);
    }

    @Override
    public void complete(int tag, int result) {
        if (result != BYTES) {
            throw new IllegalStateException("request: " + result);
        }
        done++;
        if (!ending) {
            start(tag);
        }
    }

    private void start(int tag) {
        random ^= random << 13;
        random ^= random >>> 7;
        random ^= random << 17;
        long iov = iovs + (long) IOVEC * tag;
        RawMemory.putLong(iov, buffers + (long) BYTES * tag);
        RawMemory.putLong(iov + 8, BYTES);
        long offset = Math.unsignedMultiplyHigh(random, blocks) * BYTES;
        if (writes) {
            queue.writev(offset, iov, 1, tag);
        } else {
            queue.readv(offset, iov, 1, tag);
        }
    }
}
