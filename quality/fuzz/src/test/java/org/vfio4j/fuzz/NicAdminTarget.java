package org.vfio4j.fuzz;

import static org.vfio4j.avfdriver.AvfDriver.*;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MEMORY;

import java.util.Arrays;
import java.util.List;
import org.vfio4j.avfdriver.AvfDriver;
import org.vfio4j.avfdriver.AvfRegisters;
import org.vfio4j.avfdriver.AvfRing;
import org.vfio4j.i40evf.I40eVf;
import org.vfio4j.i40evf.NetworkLink;
import org.vfio4j.testkit.GuestMemory;
import org.vfio4j.testkit.Payload;

/**
 * What a guest may do with a network interface's admin queues, and by them with its other queues. A record is an operation and its
 * arguments: a message for the physical function, a command that is none, bytes for the window of memory in which the admin queues
 * are, a register, taking a message in, or memory that goes. Behind the last map there is nothing, so that a stray access of the
 * device would end this process.
 */
final class NicAdminTarget implements FuzzTarget {

    private static final int MESSAGE = 0;
    private static final int COMMAND = 1;
    private static final int PUT = 2;
    private static final int REGISTER = 3;
    private static final int RECEIVE = 4;
    private static final int UNMAP = 5;
    private static final int OPERATIONS = 6;

    private static final int QTX_TAIL = 0;
    private static final int QRX_TAIL = 0x2000;
    private static final int[] REGISTERS = {
        ATQBAL, ATQBAH, ATQLEN, ATQH, ATQT, ARQBAL, ARQBAH, ARQLEN, ARQH, ARQT, ICR0_ENA1, DYN_CTL01, QTX_TAIL, QRX_TAIL
    };

    private static final long GUEST_BYTES = 1 << 20;
    private static final int ENTRIES = 32;
    private static final int RING_ENTRIES = 32;
    private static final int RING_BUFFER_BYTES = 2048;
    private static final int WINDOW = 0x1000;
    private static final long SETTLE_NS = 200_000;

    private final GuestMemory memory = new GuestMemory(GUEST_BYTES);
    private final I40eVf nic = I40eVf.builder(new NetworkLink().addPort())
            .macAddress("02:00:00:00:00:01")
            .build();
    private final AvfDriver driver = new AvfDriver(AvfRegisters.of(nic.function()), memory);
    private final AvfRing transmit;
    private final AvfRing receive;
    private boolean unmapped;
    private long outcome;

    NicAdminTarget() {
        nic.function().attachDma(memory.space());
        enable();
        driver.openAdminQueues(ENTRIES);
        transmit = AvfRing.transmit(driver, 0, RING_ENTRIES, RING_BUFFER_BYTES);
        receive = AvfRing.receive(driver, 0, RING_ENTRIES, RING_BUFFER_BYTES);
    }

    @Override
    public List<byte[]> corpus() {
        return List.of(
                Records.join(
                        message(OP_VERSION, ints(1, 1)),
                        step(RECEIVE, 0),
                        message(OP_GET_VF_RESOURCES, ints(1)),
                        step(RECEIVE, 0),
                        message(OP_CONFIG_VSI_QUEUES, queueConfig(transmit, receive)),
                        message(OP_CONFIG_IRQ_MAP, irqMap(1, 1, 1)),
                        message(OP_ENABLE_QUEUES, select(1, 1)),
                        register(QRX_TAIL, RING_ENTRIES - 1),
                        register(QTX_TAIL, 3),
                        step(RECEIVE, 3),
                        message(OP_GET_STATS, select(0, 0)),
                        message(OP_DISABLE_QUEUES, select(1, 1)),
                        step(RECEIVE, 2)),
                Records.join(
                        message(OP_VERSION, ints(1, 1)),
                        message(OP_GET_VF_RESOURCES, ints(1)),
                        message(OP_ADD_ETH_ADDR, addresses(new byte[] {2, 0, 0, 0, 0, 9}, new byte[6])),
                        message(OP_DEL_ETH_ADDR, addresses(new byte[] {2, 0, 0, 0, 0, 9})),
                        message(OP_ADD_VLAN, new byte[] {1, 0, 1, 0, 7, 0}),
                        message(OP_CONFIG_PROMISCUOUS_MODE, new byte[] {1, 0, 3, 0}),
                        step(RECEIVE, 6)),
                Records.join(message(OP_VERSION, ints(1, 1)), message(OP_RESET_VF), register(ATQT, 1)),
                Records.join(command(QUEUE_SHUTDOWN), command(0x1234), step(RECEIVE, 1)),
                Records.join(register(ATQLEN, 0x3ff | ENABLE), register(ATQT, 900), message(OP_VERSION, ints(1, 1))),
                Records.join(register(ARQBAH, 0x7fff_ffff), message(OP_VERSION, ints(1, 1))),
                Records.join(put(0, new Payload().u64(-1).u64(-1).u64(-1).u64(-1)), register(ATQT, 1)),
                Records.join(step(UNMAP, 0), message(OP_VERSION, ints(1, 1))));
    }

    @Override
    public Mutator mutator() {
        return Mutator.RECORDS;
    }

    @Override
    public long run(byte[] input) {
        start();
        outcome = 0;
        for (byte[] record : Records.split(input)) {
            if (record.length >= 3) {
                int argument = (record[1] & 0xff) | (record[2] & 0xff) << 8;
                operate(record[0], argument, Arrays.copyOfRange(record, 3, record.length));
            }
        }
        takeIn(ENTRIES);
        return outcome * 31 + (read(ATQLEN) >>> 28) * 16L + (read(ARQLEN) >>> 28) + read(RSTAT);
    }

    @Override
    public void checkWorks() {
        start();
        driver.negotiate();
        if (driver.request(OP_GET_STATS, select(0, 0)).status() != SUCCESS) {
            throw new AssertionError("the function answers no driver any more");
        }
    }

    @Override
    public void close() {
        nic.function().detachDma();
        nic.close();
        memory.close();
    }

    private void start() {
        nic.function().reset();
        if (unmapped) {
            memory.mapFirstHalf();
            unmapped = false;
        }
        enable();
        driver.openAdminQueues(ENTRIES);
    }

    private void operate(int operation, int argument, byte[] rest) {
        switch (Math.floorMod(operation, OPERATIONS)) {
            case MESSAGE -> send(SEND_MSG_TO_PF, argument, rest);
            case COMMAND -> send(argument, 0, rest);
            case PUT -> memory.put(driver.sendRing() + argument % WINDOW, rest);
            case REGISTER -> {
                byte[] value = Arrays.copyOf(rest, Integer.BYTES);
                driver.registers().write(REGISTERS[argument % REGISTERS.length], intOf(value));
                settle();
            }
            case RECEIVE -> takeIn(Math.min(argument, ENTRIES));
            default -> {
                if (!unmapped) {
                    memory.unmapFirstHalf();
                    unmapped = true;
                }
            }
        }
    }

    private void send(int aqOpcode, int opcode, byte[] data) {
        driver.prepare(aqOpcode, opcode, Arrays.copyOf(data, Math.min(data.length, BUFFER_BYTES)));
        driver.ring();
        settle();
    }

    private void takeIn(int most) {
        for (int i = 0; i < most && driver.hasMessage(); i++) {
            // Not awaited: a reset may end the queue at any time.
            AvfDriver.Message message = driver.takeMessage();
            outcome = outcome * 31 + message.opcode() * 1024L + message.status();
        }
    }

    /** Gives the function a moment to take in what it was told: then more inputs lead to what they can. */
    private void settle() {
        long deadline = System.nanoTime() + SETTLE_NS;
        while (read(ATQH) != read(ATQT) && (read(ATQLEN) & CRITICAL) == 0 && System.nanoTime() < deadline) {
            Thread.onSpinWait();
        }
    }

    private int read(int register) {
        return driver.registers().read(register);
    }

    private void enable() {
        nic.function().configWrite(PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
    }

    private static byte[] message(int opcode, byte... data) {
        return record(MESSAGE, opcode, new Payload().bytes(data));
    }

    private static byte[] command(int aqOpcode) {
        return step(COMMAND, aqOpcode);
    }

    private static byte[] put(int offset, Payload bytes) {
        return record(PUT, offset, bytes);
    }

    private static byte[] register(int offset, int value) {
        for (int i = 0; i < REGISTERS.length; i++) {
            if (REGISTERS[i] == offset) {
                return record(REGISTER, i, new Payload().u32(value));
            }
        }
        throw new IllegalArgumentException("register 0x" + Integer.toHexString(offset));
    }

    private static byte[] step(int operation, int argument) {
        return record(operation, argument, new Payload());
    }

    private static byte[] record(int operation, int argument, Payload rest) {
        return new Payload()
                .bytes((byte) operation)
                .u16(argument)
                .bytes(rest.toBytes())
                .toBytes();
    }

    private static int intOf(byte[] four) {
        return (four[0] & 0xff) | (four[1] & 0xff) << 8 | (four[2] & 0xff) << 16 | (four[3] & 0xff) << 24;
    }
}
