package org.vfio4j.nvme;

import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.BlockQueue;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;

/**
 * Admin commands as a controller gives them to their handler: an entry of 64 bytes and data, both in native memory. Two namespaces,
 * the second with names of every kind, of NN 4.
 */
final class AdminFixture implements AutoCloseable {

    static final int NN = 4;
    static final long FIRST_BYTES = 1 << 20;
    static final long SECOND_BYTES = 3 << 20;
    static final NamespaceIds SECOND_IDS = new NamespaceIds(
            UUID.fromString("00112233-4455-6677-8899-aabbccddeeff"),
            Optional.of(UUID.fromString("0f0e0d0c-0b0a-0908-0706-050403020100")),
            0x1122_3344_5566_7788L);
    static final NvmeIdentity IDENTITY =
            new NvmeIdentity(0x1234, 0x5678, 0xabcdef, 7, "SN-1", "A model", "2.5", "nqn.2014-08.org.example:one");

    private static final int DATA_AT = 4096;

    final FakeController controller = new FakeController();
    final MemoryBackend first = new MemoryBackend(FIRST_BYTES);
    final MemoryBackend second = new MemoryBackend(SECOND_BYTES);
    final AdminCommands admin;
    long nanos;

    private final Mapping memory = Mapping.anonymous(DATA_AT + NvmeLimits.MAX_TRANSFER_BYTES);
    private final AdminCommand command = new AdminCommand(memory.address(), data());
    private int cid;

    AdminFixture() {
        admin = new AdminCommands(
                IDENTITY,
                NN,
                List.of(
                        new NamespaceOptions(first, 512, Optional.empty()),
                        new NamespaceOptions(second, 4096, Optional.of(SECOND_IDS))),
                () -> nanos);
        admin.connect(controller);
    }

    /** Bytes that move for the next {@link #run}, as the handler says. */
    long data() {
        return memory.address() + DATA_AT;
    }

    void pass(int seconds) {
        nanos += TimeUnit.SECONDS.toNanos(seconds);
    }

    /** Runs a command and gives its status without Do Not Retry. CDWs that are left out are 0. */
    int run(int opcode, int nsid, int... cdw10) {
        return runRaw(opcode, nsid, cdw10) & ~NvmeStatus.DNR;
    }

    /** As {@link #run}, with the whole status. Where data go to the driver, they are what they were not before. */
    int runRaw(int opcode, int nsid, int... cdw10) {
        long entry = memory.address();
        RawMemory.fill(entry, NvmeSpec.SQE_SIZE, (byte) 0);
        RawMemory.putInt(entry, opcode | (++cid << NvmeSpec.CID_SHIFT));
        RawMemory.putInt(entry + NvmeSpec.SQE_NSID, nsid);
        for (int i = 0; i < cdw10.length; i++) {
            RawMemory.putInt(entry + NvmeSpec.SQE_CDW10 + 4L * i, cdw10[i]);
        }
        command.setResult(0);
        int bytes = admin.dataBytes(command);
        if (bytes < 0) {
            return -bytes;
        }
        if (admin.isToHost(command)) {
            RawMemory.fill(data(), bytes, (byte) 0);
        }
        return admin.execute(command);
    }

    /** Runs the last command once more, as a controller does that could not post its completion. */
    int again() {
        return admin.execute(command);
    }

    int lastCid() {
        return cid & 0xffff;
    }

    int dataBytes() {
        return admin.dataBytes(command);
    }

    int result() {
        return command.result();
    }

    int u8(int at) {
        return RawMemory.getByte(data() + at) & 0xff;
    }

    int u16(int at) {
        return RawMemory.getShort(data() + at) & 0xffff;
    }

    int i32(int at) {
        return RawMemory.getInt(data() + at);
    }

    long i64(int at) {
        return RawMemory.getLong(data() + at);
    }

    byte[] bytes(int at, int length) {
        byte[] bytes = new byte[length];
        RawMemory.get(data() + at, bytes, 0, length);
        return bytes;
    }

    String text(int at, int length) {
        return new String(bytes(at, length), StandardCharsets.US_ASCII);
    }

    @Override
    public void close() {
        memory.close();
        first.close();
        second.close();
    }

    /** A completion of a held command. */
    record Completed(int cid, int dw0, int status) {}

    /** What a controller does, written down; storage is really cleared. */
    static final class FakeController implements ControllerHooks {

        static final int QUEUE_PAIRS = 8;
        static final int VECTORS = 9;

        final List<Completed> completed = new ArrayList<>();
        final ArrayDeque<Runnable> tasks = new ArrayDeque<>();
        final List<String> calls = new ArrayList<>();
        final IoTally tally = new IoTally();
        boolean ioQueues;
        int clearResult;

        @Override
        public void run(Runnable task) {
            tasks.add(task);
        }

        /** Runs one task; whether there was one. */
        boolean runOne() {
            Runnable task = tasks.poll();
            if (task != null) {
                task.run();
            }
            return task != null;
        }

        @Override
        public void complete(int cid, int dw0, int status) {
            completed.add(new Completed(cid, dw0, status));
        }

        @Override
        public int queuePairs() {
            return QUEUE_PAIRS;
        }

        @Override
        public boolean hasIoQueues() {
            return ioQueues;
        }

        @Override
        public void setNumberOfQueues(int submissions, int completions) {
            calls.add("queues " + submissions + " " + completions);
        }

        @Override
        public int vectors() {
            return VECTORS;
        }

        @Override
        public void drain() {
            calls.add("drain");
        }

        @Override
        public void release(BlockBackend backend) {
            calls.add("release " + backend.describe());
        }

        @Override
        public int clear(BlockBackend backend, long offset, long length) {
            if (clearResult != 0) {
                return clearResult;
            }
            int[] result = {1};
            try (BlockQueue queue = backend.openQueue(1)) {
                queue.writeZeroes(offset, length, true, 0);
                queue.submit();
                while (queue.poll((tag, value) -> result[0] = value) == 0) {
                    Thread.onSpinWait();
                }
            }
            return result[0];
        }

        @Override
        public void setWriteCache(boolean enabled) {
            calls.add("write cache " + enabled);
        }

        @Override
        public void setCoalescing(int threshold, int time) {
            calls.add("coalescing " + threshold + " " + time);
        }

        @Override
        public void setCoalescingDisabled(int vector, boolean disabled) {
            if (disabled) {
                calls.add("not coalescing " + vector);
            }
        }

        @Override
        public IoTally tally() {
            return tally;
        }
    }
}
