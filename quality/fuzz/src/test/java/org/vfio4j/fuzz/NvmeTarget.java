package org.vfio4j.fuzz;

import static org.vfio4j.fuzz.NvmeGuest.*;
import static org.vfio4j.nvmedriver.NvmeCommand.*;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.nvme.NamespaceOptions;
import org.vfio4j.nvme.Nvme;
import org.vfio4j.nvme.NvmeIdentity;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeDriver;
import org.vfio4j.testkit.GuestMemory;
import org.vfio4j.testkit.Payload;

/**
 * What a guest may tell a controller, in any order. A record is an operation and its arguments: bytes for memory, in which queues,
 * shadow doorbells, lists and data are; an entry for a queue, which is rung; a doorbell; a register; memory and bus master going away.
 * Behind the last map there is nothing, so that a stray access of the device would end this process.
 */
final class NvmeTarget implements FuzzTarget {

    private static final int PUT = 0;
    private static final int COMMAND = 1;
    private static final int DOORBELL = 2;
    private static final int REGISTER = 3;
    private static final int UNMAP = 4;
    private static final int BUS_MASTER = 5;
    private static final int OPERATIONS = 6;

    private static final int REGISTER_BYTES = 0x40;
    private static final int DOORBELLS = 8;

    /** How long an answer is waited for: an Asynchronous Event Request has none. */
    private static final long SETTLE_NS = 1_000_000;

    private static final int NAMESPACE_WRITE_PROTECTION = 0x84;
    private static final int BLOCK = 512;

    private final BlockBackend storage = new MemoryBackend(TestDisk.BYTES);
    private final Nvme nvme = Nvme.builder(NvmeIdentity.of("FUZZ"))
            .namespace(new NamespaceOptions(storage, BLOCK, Optional.empty()))
            .queuePairs(2)
            .threads(2)
            .build();
    private final NvmeGuest guest = new NvmeGuest(nvme.function());

    @Override
    public List<byte[]> corpus() {
        return List.of(
                command(IO, io(READ, 1, 0, 8).prp(DATA)),
                command(IO, io(WRITE, 1, 1, 8).prp(DATA + BLOCK, DATA + PAGE)),
                Records.join(
                        put(LIST, DATA, DATA + PAGE, DATA + 2 * PAGE),
                        step(io(READ, 1, 0, 32).prp(DATA, LIST))),
                Records.join(
                        put(LIST, DATA, sglRest(PAGE, 0), REMOTE_DATA, sglRest(PAGE, 0)),
                        step(io(READ, 1, 0, 16).sgl(LIST, 32, 0x30))),
                Records.join(
                        put(LIST, DATA, sglRest(BLOCK, 0), LIST + 64, sglRest(32, 0x30)),
                        put(LIST + 64, REMOTE_DATA, sglRest(BLOCK, 0), DATA + PAGE, sglRest(3 * BLOCK, 0)),
                        step(io(READ, 1, 8, 5).sgl(LIST, 32, 0x20))),
                Records.join(
                        put(REMOTE_LIST, REMOTE_DATA + PAGE, REMOTE_DATA + 2 * PAGE),
                        step(io(READ, 1, 0, 24).prp(REMOTE_DATA, REMOTE_LIST))),
                command(IO, io(COMPARE, 1, 0, 8).prp(DATA)),
                command(IO, io(WRITE_ZEROES, 1, 4, 8)),
                Records.join(
                        put(LIST, 8L << 32, 16),
                        step(new NvmeCommand(DSM).nsid(1).prp(LIST).cdw(11, 4))),
                command(IO, io(VERIFY, 1, 0, 64)),
                Records.join(
                        put(LIST, 0, 0, 3),
                        step(new NvmeCommand(COPY).nsid(1).prp(LIST).slba(32))),
                command(ADMIN, new NvmeCommand(IDENTIFY).prp(DATA).cdw(10, 1)),
                command(ADMIN, new NvmeCommand(IDENTIFY).nsid(1).prp(DATA + 8, DATA + PAGE)),
                command(ADMIN, new NvmeCommand(GET_LOG_PAGE).nsid(-1).prp(DATA).cdw(10, 2 | 127 << 16)),
                command(ADMIN, new NvmeCommand(GET_FEATURES).cdw(10, 7)),
                command(ADMIN, new NvmeCommand(SET_FEATURES).cdw(10, 8).cdw(11, 0x203)),
                command(ADMIN, new NvmeCommand(FORMAT).nsid(1).cdw(10, 1)),
                Records.join(
                        put(DATA, 1),
                        admin(new NvmeCommand(NAMESPACE_ATTACHMENT)
                                .nsid(1)
                                .prp(DATA)
                                .cdw(10, 1))),
                Records.join(admin(new NvmeCommand(ASYNC_EVENT)), admin(new NvmeCommand(ABORT).cdw(10, 0))),
                Records.join(
                        admin(new NvmeCommand(DELETE_SQ).cdw(10, IO)),
                        admin(new NvmeCommand(DELETE_CQ).cdw(10, IO)),
                        admin(new NvmeCommand(CREATE_CQ)
                                .prp(completions(IO))
                                .cdw(10, 2 | 7 << 16)
                                .cdw(11, 3)),
                        admin(new NvmeCommand(CREATE_SQ)
                                .prp(submissions(IO))
                                .cdw(10, 2 | 7 << 16)
                                .cdw(11, 1 | 2 << 16)),
                        step(DOORBELL, 4, 1)),
                Records.join(
                        admin(new NvmeCommand(DOORBELL_BUFFER).prp(SHADOW, EVENTS)),
                        step(io(READ, 1, 0, 8).prp(DATA)),
                        put(SHADOW + 8, 1),
                        step(DOORBELL, 2, 1)),
                Records.join(step(REGISTER, NvmeDriver.INTMS, 1), step(DOORBELL, 2, 5), step(DOORBELL, 3, 9)),
                Records.join(step(REGISTER, NvmeDriver.CC, 0), step(REGISTER, NvmeDriver.CC, NvmeDriver.CC_ENABLED)),
                Records.join(step(REGISTER, NvmeDriver.CC, NvmeDriver.CC_ENABLED | 1 << 14)),
                Records.join(step(UNMAP, 0, 0), step(io(READ, 1, 0, 8).prp(DATA))),
                Records.join(step(BUS_MASTER, 0, 0), step(DOORBELL, 2, 1), step(BUS_MASTER, 1, 0)));
    }

    @Override
    public Mutator mutator() {
        return Mutator.RECORDS;
    }

    @Override
    public long run(byte[] input) {
        guest.start();
        long outcome = 0;
        for (byte[] record : Records.split(input)) {
            if (record.length >= 3) {
                int argument = (record[1] & 0xff) | (record[2] & 0xff) << 8;
                byte[] rest = Arrays.copyOfRange(record, 3, record.length);
                outcome = 31 * outcome + operate(Math.floorMod(record[0], OPERATIONS), argument, rest);
            }
        }
        return 31 * outcome + guest.driver().status();
    }

    /** Whatever became of it: after a reset a driver gets its namespace back. */
    @Override
    public void checkWorks() {
        guest.start();
        guest.put(DATA, new Payload().u16(1).u16(0).toBytes());
        guest.run(ADMIN, new NvmeCommand(NAMESPACE_ATTACHMENT).nsid(1).prp(DATA));
        guest.must(ADMIN, new NvmeCommand(SET_FEATURES).nsid(1).cdw(10, NAMESPACE_WRITE_PROTECTION));
        guest.must(ADMIN, new NvmeCommand(FORMAT).nsid(1));
        guest.must(IO, io(WRITE, 1, 0, 8).prp(DATA));
        guest.must(IO, io(READ, 1, 0, 8).prp(DATA));
    }

    @Override
    public void close() {
        guest.close();
        nvme.close();
        storage.close();
    }

    /** Returns what can be seen of it: the status of a command. */
    private int operate(int operation, int argument, byte[] rest) {
        switch (operation) {
            case PUT -> guest.put(place(argument), Arrays.copyOf(rest, Math.min(rest.length, PAGE)));
            case COMMAND -> {
                int queue = argument & 1;
                guest.submit(queue, rest);
                return guest.completed(queue, SETTLE_NS);
            }
            case DOORBELL -> guest.driver().ring(argument % DOORBELLS, (int) number(rest, Integer.BYTES));
            case REGISTER -> guest.driver().write(argument % REGISTER_BYTES & -4, 4, number(rest, Integer.BYTES));
            case UNMAP -> guest.unmap();
            default -> guest.driver().setMaster((argument & 1) != 0);
        }
        return 0;
    }

    /** Somewhere with a page behind it. */
    private static long place(int dword) {
        return GuestMemory.BASE + (long) Integer.BYTES * dword % (2 * WINDOW - PAGE);
    }

    private static long number(byte[] bytes, int width) {
        long value = 0;
        for (int i = 0; i < Math.min(width, bytes.length); i++) {
            value |= (bytes[i] & 0xffL) << (8 * i);
        }
        return value;
    }

    private static byte[] command(int queue, NvmeCommand command) {
        return Records.join(step(queue, command));
    }

    private static byte[] admin(NvmeCommand command) {
        return step(ADMIN, command);
    }

    private static byte[] step(NvmeCommand command) {
        return step(IO, command);
    }

    private static byte[] step(int queue, NvmeCommand command) {
        return new Payload()
                .bytes((byte) COMMAND)
                .u16(queue)
                .bytes(command.toBytes())
                .toBytes();
    }

    private static byte[] step(int operation, int argument, int value) {
        return new Payload().bytes((byte) operation).u16(argument).u32(value).toBytes();
    }

    private static byte[] put(long at, long... words) {
        Payload bytes = new Payload().bytes((byte) PUT).u16((int) (at - GuestMemory.BASE) / Integer.BYTES);
        for (long word : words) {
            bytes.u64(word);
        }
        return bytes.toBytes();
    }
}
