package org.vfio4j.bench;

import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.BlockCompletion;
import org.vfio4j.block.BlockQueue;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.block.NullBackend;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;

/** One 4 KiB request to storage in memory and its completion. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class BackendBenchmark implements BlockCompletion {

    private static final long DISK_BYTES = 64L << 20;
    private static final int BYTES = 4096;

    @Param({"memory", "null"})
    public String storage;

    private BlockBackend backend;
    private BlockQueue queue;
    private Mapping memory;
    private int random = 1;
    private int lastResult;

    @Setup
    public void open() {
        backend = storage.equals("memory") ? new MemoryBackend(DISK_BYTES) : new NullBackend(DISK_BYTES);
        queue = backend.openQueue(1);
        memory = Mapping.anonymous(2 * BYTES);
    }

    @TearDown
    public void close() {
        queue.close();
        backend.close();
        memory.close();
    }

    @Benchmark
    public int read() {
        queue.readv(offset(), iov(), 1, 0);
        return finish();
    }

    @Benchmark
    public int write() {
        queue.writev(offset(), iov(), 1, 0);
        return finish();
    }

    @Override
    public void complete(int tag, int result) {
        lastResult = result;
    }

    private int finish() {
        queue.submit();
        queue.poll(this);
        return lastResult;
    }

    private long offset() {
        random = random * 1664525 + 1013904223;
        return (random >>> 8) % (DISK_BYTES / BYTES) * BYTES;
    }

    /** A queue may change it, so each request gets it anew. */
    private long iov() {
        long iov = memory.address();
        RawMemory.putLong(iov, iov + BYTES);
        RawMemory.putLong(iov + 8, BYTES);
        return iov;
    }
}
