package org.vfio4j.bench;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_DMA_LOGGING_START;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_SET;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.vfio4j.uapi.Vfio.FeatureDmaLoggingControl;
import org.vfio4j.userspace.disk.Completion;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.userspace.virtioblk.VirtioBlkQueue;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/** 4 KiB requests from the user-space driver to a disk in memory and back, with a fixed number in flight. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
public class DiskBenchmark implements Completion {

    private static final int REQUESTS = 1024;
    private static final int BYTES = 4096;
    private static final int BLOCKS = 1 << 15;

    @Param({"1", "32", "128"})
    public int depth;

    /** Whether the disk's writes to memory are logged. */
    @Param({"false", "true"})
    public boolean logged;

    private ServedDisk disk;
    private VfioUserClient client;
    private VirtioBlkDriver driver;
    private VirtioBlkQueue queue;
    private int random = 1;
    private int toStart;
    private boolean writing;

    @Setup
    public void open() {
        disk = new ServedDisk();
        client = disk.connect(VfioUserClientOptions.DEFAULTS.withPostedWrites(true));
        driver = VirtioBlkDriver.open(client, VirtioBlkOptions.DEFAULTS.withInterrupts(false));
        queue = driver.queue(0);
        if (logged) {
            MemorySegment everything = MemorySegment.ofArray(new byte[FeatureDmaLoggingControl.SIZEOF]);
            everything.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingControl.PAGE_SIZE, BYTES);
            client.feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START, everything);
        }
    }

    @TearDown
    public void close() {
        driver.close();
        client.close();
        disk.close();
    }

    @Benchmark
    @OperationsPerInvocation(REQUESTS)
    public void randomRead() {
        run(false);
    }

    @Benchmark
    @OperationsPerInvocation(REQUESTS)
    public void randomWrite() {
        run(true);
    }

    @Override
    public void complete(int tag, int result) {
        if (result != 0) {
            throw new IllegalStateException("request failed: " + result);
        }
        if (toStart > 0) {
            start(tag);
        }
    }

    private void run(boolean write) {
        writing = write;
        toStart = REQUESTS;
        for (int tag = 0; tag < depth; tag++) {
            start(tag);
        }
        queue.kick();
        while (queue.inFlight() > 0) {
            if (queue.poll(this) > 0) {
                queue.kick();
            } else {
                Thread.onSpinWait();
            }
        }
    }

    private void start(int tag) {
        toStart--;
        random = random * 1664525 + 1013904223;
        long offset = (long) ((random >>> 8) % BLOCKS) * BYTES;
        if (writing) {
            queue.write(offset, (long) tag * BYTES, BYTES, tag);
        } else {
            queue.read(offset, (long) tag * BYTES, BYTES, tag);
        }
    }
}
