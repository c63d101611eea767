package org.vfio4j.nvmedriver;

import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MEMORY;

import java.util.function.BooleanSupplier;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.testkit.GuestMemory;

/** The driver's side of a controller: its registers, and how it comes up (NVM Express Base 2.0, 3.5). */
public final class NvmeDriver {

    public static final int CAP = 0x0;
    public static final int VS = 0x8;
    public static final int INTMS = 0xc;
    public static final int INTMC = 0x10;
    public static final int CC = 0x14;
    public static final int CSTS = 0x1c;
    public static final int AQA = 0x24;
    public static final int ASQ = 0x28;
    public static final int ACQ = 0x30;
    public static final int DOORBELLS = 0x1000;

    /** Entry sizes of 64 and 16 bytes, and enabled. */
    public static final int CC_ENABLED = (6 << 16) | (4 << 20) | 1;

    public static final int CSTS_RDY = 1;
    public static final int CSTS_CFS = 2;

    private final PciFunction function;
    private final GuestMemory memory;

    public NvmeDriver(PciFunction function, GuestMemory memory) {
        this.function = function;
        this.memory = memory;
    }

    public long read(int offset, int width) {
        return function.barRead(0, offset, width);
    }

    public void write(int offset, int width, long value) {
        function.barWrite(0, offset, width, value);
    }

    public int status() {
        return (int) read(CSTS, 4);
    }

    public void setMaster(boolean on) {
        function.configWrite(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | (on ? PCI_COMMAND_MASTER : 0));
    }

    public void ring(int doorbell, int value) {
        write(DOORBELLS + 4 * doorbell, 4, value);
    }

    /** A pair of queues that rings by the registers. */
    public NvmeQueue queue(int id, int entries, boolean remote) {
        return new NvmeQueue(id, entries, memory, remote, this::ring);
    }

    /** From reset to ready. */
    public NvmeQueue enable(int adminEntries) {
        return enable(adminEntries, false);
    }

    public NvmeQueue enable(int adminEntries, boolean remote) {
        setMaster(true);
        disable();
        NvmeQueue admin = queue(0, adminEntries, remote);
        write(AQA, 4, (adminEntries - 1) | ((adminEntries - 1) << 16));
        write(ASQ, 8, admin.sq());
        write(ACQ, 4, admin.cq() & 0xffff_ffffL);
        write(ACQ + 4, 4, admin.cq() >>> 32);
        write(CC, 4, CC_ENABLED);
        await("CSTS.RDY", () -> (status() & CSTS_RDY) != 0);
        return admin;
    }

    public void disable() {
        write(CC, 4, 0);
        await("CSTS.RDY 0", () -> (status() & CSTS_RDY) == 0);
    }

    /** Creates a pair of queues in the controller, with interrupts by a vector of their number. */
    public NvmeQueue create(NvmeQueue admin, int id, int entries, boolean remote) {
        NvmeQueue queue = queue(id, entries, remote);
        check(admin.run(createCompletions(queue, id)));
        check(admin.run(createSubmissions(queue)));
        return queue;
    }

    public static NvmeCommand createCompletions(NvmeQueue queue, int vector) {
        return new NvmeCommand(NvmeCommand.CREATE_CQ)
                .prp(queue.cq())
                .cdw(10, queue.id() | ((queue.entries() - 1) << 16))
                .cdw(11, 3 | (vector << 16));
    }

    public static NvmeCommand createSubmissions(NvmeQueue queue) {
        return new NvmeCommand(NvmeCommand.CREATE_SQ)
                .prp(queue.sq())
                .cdw(10, queue.id() | ((queue.entries() - 1) << 16))
                .cdw(11, 1 | (queue.id() << 16));
    }

    private static void check(NvmeCompletion completion) {
        if (completion.status() != 0) {
            throw new AssertionError("a queue was not created: " + completion);
        }
    }

    /** Waits until something holds. */
    public static void await(String what, BooleanSupplier holds) {
        long deadline = System.nanoTime() + 10_000_000_000L;
        while (!holds.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError(what + ": not within 10 s");
            }
            Thread.yield();
        }
    }
}
