package org.vfio4j.userspace.nvme;

import static org.vfio4j.sys.Errno.ETIMEDOUT;
import static org.vfio4j.userspace.nvme.NvmeNumbers.*;

import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.userspace.dma.DmaMemory;

/**
 * Admin commands (NVM Express Base 2.0, 5), one at a time: each call returns when the command is done. Belongs to the thread that
 * opens the driver.
 */
final class AdminQueue {

    static final int ENTRIES = 32;

    private static final long CHECK_NS = 100_000_000;

    /** Commands here have a page of data at most. */
    private static final int LIST_ENTRIES = 1;

    private final NvmeRegisters registers;
    private final DmaMemory memory;
    private final CommandRing ring;
    private final long data;
    private final long timeoutNs;

    private AdminQueue(NvmeRegisters registers, DmaMemory memory, CommandRing ring, long timeoutNs) {
        this.registers = registers;
        this.memory = memory;
        this.ring = ring;
        this.timeoutNs = timeoutNs;
        data = memory.allocate(IDENTIFY_BYTES, registers.pageBytes());
    }

    /** Memory that it takes at most. */
    static long bytes(int pageBytes) {
        return CommandRing.bytes(ENTRIES, pageBytes, LIST_ENTRIES) + 2L * pageBytes;
    }

    /** Starts the controller, which must be stopped. */
    static AdminQueue start(NvmeRegisters registers, DmaMemory memory, long timeoutNs) {
        int entries = Math.min(ENTRIES, Integer.highestOneBit(registers.maxQueueEntries()));
        CommandRing ring = new CommandRing(memory, 0, entries, registers.pageBytes(), LIST_ENTRIES, Optional.empty());
        registers.enable(entries, ring.submissionsIova(), ring.completionsIova());
        ring.start(
                new Doorbell.Written(registers, REG_DOORBELLS + registers.doorbellAt(0, false)),
                new Doorbell.Written(registers, REG_DOORBELLS + registers.doorbellAt(0, true)));
        return new AdminQueue(registers, memory, ring, timeoutNs);
    }

    /**
     * A copy of an Identify data structure.
     *
     * @throws ErrnoException EIO, EINVAL, ... when the controller refuses; ETIMEDOUT
     */
    ByteBuffer identify(int cns, int nsid) {
        memory.segment(data, IDENTIFY_BYTES).fill((byte) 0);
        command("identify CNS " + cns, IDENTIFY, nsid, memory.iova(data), IDENTIFY_BYTES, cns, 0);
        return ByteBuffer.wrap(memory.segment(data, IDENTIFY_BYTES).toArray(ValueLayout.JAVA_BYTE))
                .order(ByteOrder.LITTLE_ENDIAN);
    }

    /**
     * Asks for I/O queue pairs.
     *
     * @param wanted from 1 on
     * @return how many there can be, at most {@code wanted}
     */
    int numberOfQueues(int wanted) {
        int each = wanted - 1;
        int result = command(
                "set number of queues", SET_FEATURES, 0, 0, 0, FEATURE_NUMBER_OF_QUEUES, each << Short.SIZE | each);
        int submission = (result & 0xffff) + 1;
        int completion = (result >>> Short.SIZE) + 1;
        return Math.min(wanted, Math.min(submission, completion));
    }

    /** Names the shadow doorbell buffer, and behind it the EventIdx buffer (Base 5.8), a page each. */
    void doorbellBuffers(long iova) {
        command("doorbell buffer config", DOORBELL_BUFFER_CONFIG, 0, iova, 2 * registers.pageBytes(), 0, 0);
    }

    /**
     * Creates the controller's side of an I/O queue pair.
     *
     * @param vector what it interrupts with, -1 for nothing
     */
    void create(CommandRing queue, int vector) {
        int size = (queue.entries() - 1) << Short.SIZE | queue.id();
        int interrupts = vector < 0 ? 0 : QUEUE_IEN | vector << Short.SIZE;
        command(
                "create I/O completion queue " + queue.id(),
                CREATE_IO_COMPLETION_QUEUE,
                0,
                queue.completionsIova(),
                1,
                size,
                QUEUE_PC | interrupts);
        command(
                "create I/O submission queue " + queue.id(),
                CREATE_IO_SUBMISSION_QUEUE,
                0,
                queue.submissionsIova(),
                1,
                size,
                QUEUE_PC | queue.id() << Short.SIZE);
    }

    void close() {
        ring.close();
    }

    private int command(String what, int opcode, int nsid, long iova, int bytes, int cdw10, int cdw11) {
        int slot = ring.take();
        ring.queue(slot, opcode, nsid, iova, bytes, Integer.toUnsignedLong(cdw10) | (long) cdw11 << Integer.SIZE, 0);
        return await(what);
    }

    private int await(String what) {
        ring.publish();
        long start = System.nanoTime();
        int slot = ring.next();
        while (slot == CommandRing.NONE) {
            long left = timeoutNs - (System.nanoTime() - start);
            if (left <= 0) {
                throw new ErrnoException(
                        ETIMEDOUT,
                        "NVMe " + what + ": the controller has not answered for " + timeoutNs / 1_000_000 + " ms");
            }
            if (!ring.await(Math.min(left, CHECK_NS))) {
                registers.checkReady();
            }
            slot = ring.next();
        }
        ring.give(slot);
        ring.tell();
        int result = NvmeStatus.result(ring.status());
        if (result != 0) {
            throw new ErrnoException(-result, "NVMe " + what + ": " + NvmeStatus.describe(ring.status()));
        }
        return ring.result();
    }
}
