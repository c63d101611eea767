package org.vfio4j.nvmedriver;

import java.util.Optional;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.testkit.GuestMemory;

/** The driver's side of a pair of queues. For one thread. */
public final class NvmeQueue {

    private static final int CQE = 16;
    private static final long WAIT_NS = 10_000_000_000L;

    /** How a driver writes its doorbells. */
    public interface Doorbell {

        void write(int index, int value);
    }

    private final int id;
    private final int entries;
    private final GuestMemory memory;
    private final long sq;
    private final long cq;
    private Doorbell doorbell;
    private int tail;
    private int head;
    private int phase = 1;
    private int nextCid;

    /** @param remote whether the rings are in memory that the device reaches by messages */
    public NvmeQueue(int id, int entries, GuestMemory memory, boolean remote, Doorbell doorbell) {
        this.id = id;
        this.entries = entries;
        this.memory = memory;
        this.doorbell = doorbell;
        sq = page(entries * NvmeCommand.SIZE, remote);
        cq = page(entries * CQE, remote);
        memory.fill(sq, (long) entries * NvmeCommand.SIZE, 0);
        memory.fill(cq, (long) entries * CQE, 0);
    }

    public int id() {
        return id;
    }

    public int entries() {
        return entries;
    }

    public long sq() {
        return sq;
    }

    public long cq() {
        return cq;
    }

    public int tail() {
        return tail;
    }

    public int head() {
        return head;
    }

    /** Doorbells are written so from now on. */
    public void ringBy(Doorbell way) {
        doorbell = way;
    }

    /** Puts a command in, without ringing. Returns its identifier. */
    public int put(NvmeCommand command) {
        int cid = nextCid;
        nextCid = (nextCid + 1) & 0xffff;
        command.cid(cid).store(memory.host(sq) + (long) tail * NvmeCommand.SIZE);
        tail = (tail + 1) % entries;
        return cid;
    }

    public void ring() {
        doorbell.write(2 * id, tail);
    }

    public int submit(NvmeCommand command) {
        int cid = put(command);
        ring();
        return cid;
    }

    /** The next completion, if there is one. The head's doorbell is not written. */
    public Optional<NvmeCompletion> peek() {
        if (!isDone()) {
            return Optional.empty();
        }
        long at = memory.host(cq) + (long) head * CQE;
        int third = RawMemory.getInt(at + 8);
        int fourth = RawMemory.getInt(at + 12);
        head++;
        if (head == entries) {
            head = 0;
            phase ^= 1;
        }
        return Optional.of(
                new NvmeCompletion(RawMemory.getInt(at), third & 0xffff, third >>> 16, fourth & 0xffff, fourth >>> 17));
    }

    /** Whether a completion is there. */
    public boolean isDone() {
        int fourth = RawMemory.getIntAcquire(memory.host(cq) + (long) head * CQE + 12);
        return ((fourth >>> 16) & 1) == phase;
    }

    public void consumed() {
        doorbell.write(2 * id + 1, head);
    }

    /** Waits for the next completion, and says that it is consumed. */
    public NvmeCompletion await() {
        long deadline = System.nanoTime() + WAIT_NS;
        while (!isDone()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("queue " + id + ": no completion within 10 s");
            }
            Thread.yield();
        }
        NvmeCompletion completion = peek().orElseThrow();
        consumed();
        return completion;
    }

    public NvmeCompletion run(NvmeCommand command) {
        submit(command);
        return await();
    }

    private long page(int bytes, boolean remote) {
        long at = remote ? memory.remote(bytes + 4096L) : memory.mapped(bytes + 4096L);
        return (at + 4095) & -4096L;
    }
}
