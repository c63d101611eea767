package org.vfio4j.fuzz;

import static org.vfio4j.nvmedriver.NvmeDriver.ACQ;
import static org.vfio4j.nvmedriver.NvmeDriver.AQA;
import static org.vfio4j.nvmedriver.NvmeDriver.ASQ;
import static org.vfio4j.nvmedriver.NvmeDriver.CC;
import static org.vfio4j.nvmedriver.NvmeDriver.CC_ENABLED;
import static org.vfio4j.nvmedriver.NvmeDriver.CSTS_CFS;
import static org.vfio4j.nvmedriver.NvmeDriver.CSTS_RDY;

import java.util.Arrays;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeDriver;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.testkit.GuestMemory;

/**
 * A guest of a controller, with an admin and an I/O queue at places that stay, in which any bytes may be put. The pages of its mapped
 * memory: the queues' entries, shadow doorbells and their events, lists, data. Used by one thread.
 */
final class NvmeGuest implements AutoCloseable {

    static final int PAGE = 4096;
    static final int ADMIN = 0;
    static final int IO = 1;

    static final long SHADOW = page(4);
    static final long EVENTS = page(5);
    static final long LIST = page(6);
    static final long DATA = page(8);
    static final long REMOTE_LIST = page(16);
    static final long REMOTE_DATA = page(18);

    /** Bytes that are mapped, behind which are as many that are not. */
    static final int WINDOW = 16 * PAGE;

    private static final int ENTRIES = 16;
    private static final int CQE = 16;
    private static final int CQE_DW3 = 12;
    private static final int SUCCESS_MASK = 0x7ff;
    private static final long PATIENCE_NS = 10_000_000_000L;

    private final PciFunction function;
    private final GuestMemory memory = new GuestMemory(WINDOW);
    private final NvmeDriver driver;
    private final int[] tail = new int[2];
    private final int[] head = new int[2];
    private final int[] phase = new int[2];
    private boolean unmapped;

    NvmeGuest(PciFunction function) {
        this.function = function;
        driver = new NvmeDriver(function, memory);
        function.attachDma(memory.space());
    }

    private static long page(int index) {
        return GuestMemory.BASE + (long) index * PAGE;
    }

    static long submissions(int queue) {
        return page(2 * queue);
    }

    static long completions(int queue) {
        return page(2 * queue + 1);
    }

    NvmeDriver driver() {
        return driver;
    }

    /** Resets the function and sets it up again, with memory of zeroes. */
    void start() {
        function.reset();
        if (unmapped) {
            memory.mapFirstHalf();
            unmapped = false;
        }
        memory.fill(GuestMemory.BASE, 2L * WINDOW, 0);
        driver.setMaster(true);
        enable();
        must(
                ADMIN,
                new NvmeCommand(NvmeCommand.CREATE_CQ)
                        .prp(completions(IO))
                        .cdw(10, IO | (ENTRIES - 1) << 16)
                        .cdw(11, 1 | IO << 16));
        must(
                ADMIN,
                new NvmeCommand(NvmeCommand.CREATE_SQ)
                        .prp(submissions(IO))
                        .cdw(10, IO | (ENTRIES - 1) << 16)
                        .cdw(11, 1 | IO << 16));
    }

    /** From disabled to ready, with the queues as they lie in memory. */
    private void enable() {
        driver.write(AQA, 4, (ENTRIES - 1) | (ENTRIES - 1) << 16);
        driver.write(ASQ, 8, submissions(ADMIN));
        driver.write(ACQ, 8, completions(ADMIN));
        driver.write(CC, 4, CC_ENABLED);
        Arrays.fill(tail, 0);
        Arrays.fill(head, 0);
        Arrays.fill(phase, 1);
        NvmeDriver.await("CSTS.RDY", () -> (driver.status() & CSTS_RDY) != 0);
    }

    void put(long at, byte[] bytes) {
        memory.put(at, bytes);
    }

    void unmap() {
        if (!unmapped) {
            memory.unmapFirstHalf();
            unmapped = true;
        }
    }

    /** Puts up to 64 bytes of an entry into a queue, and rings. */
    void submit(int queue, byte[] entry) {
        long at = submissions(queue) + (long) NvmeCommand.SIZE * tail[queue];
        memory.fill(at, NvmeCommand.SIZE, 0);
        memory.put(at, Arrays.copyOf(entry, NvmeCommand.SIZE));
        tail[queue] = (tail[queue] + 1) % ENTRIES;
        driver.ring(2 * queue, tail[queue]);
    }

    /** The status of the next completion within {@code patienceNs}, which is consumed; or -1. */
    int completed(int queue, long patienceNs) {
        long deadline = System.nanoTime() + patienceNs;
        int dword;
        do {
            dword = RawMemory.getIntAcquire(memory.host(completions(queue)) + (long) CQE * head[queue] + CQE_DW3);
            if ((dword >>> 16 & 1) == phase[queue]) {
                head[queue] = (head[queue] + 1) % ENTRIES;
                phase[queue] ^= head[queue] == 0 ? 1 : 0;
                driver.ring(2 * queue + 1, head[queue]);
                return dword >>> 17 & SUCCESS_MASK;
            }
            Thread.onSpinWait();
        } while ((driver.status() & (CSTS_CFS | CSTS_RDY)) == CSTS_RDY && System.nanoTime() < deadline);
        return -1;
    }

    /** Has a command carried out, and returns its status. */
    int run(int queue, NvmeCommand command) {
        submit(queue, command.toBytes());
        int status = completed(queue, PATIENCE_NS);
        if (status < 0) {
            throw new AssertionError("queue " + queue + " does not answer, CSTS " + driver.status());
        }
        return status;
    }

    void must(int queue, NvmeCommand command) {
        int status = run(queue, command);
        if (status != 0) {
            throw new AssertionError("queue " + queue + ": status 0x" + Integer.toHexString(status) + " of opcode "
                    + command.toBytes()[0]);
        }
    }

    @Override
    public void close() {
        function.detachDma();
        memory.close();
    }
}
