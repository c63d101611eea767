package org.vfio4j.avfdriver;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.testkit.GuestMemory;

/**
 * A driver of a virtual function for tests: admin queues and messages, in the driver's words, and as wrong as a test wants them.
 * Its rings and buffers are {@link AvfRing}s. Works on any {@link AvfRegisters}, which may be exchanged under it, as a migration
 * does. Used by one thread.
 */
public final class AvfDriver {

    public static final int ATQBAL = 0x7c00;
    public static final int ATQBAH = 0x7800;
    public static final int ATQLEN = 0x6800;
    public static final int ATQH = 0x6400;
    public static final int ATQT = 0x8400;
    public static final int ARQBAL = 0x6c00;
    public static final int ARQBAH = 0x6000;
    public static final int ARQLEN = 0x8000;
    public static final int ARQH = 0x7400;
    public static final int ARQT = 0x7000;
    public static final int RSTAT = 0x8800;
    public static final int ICR01 = 0x4800;
    public static final int ICR0_ENA1 = 0x5000;
    public static final int DYN_CTL01 = 0x5c00;
    public static final int DYN_CTLN1 = 0x3800;
    public static final int ENABLE = 1 << 31;
    public static final int CRITICAL = 1 << 30;
    public static final int ADMINQ = 1 << 30;
    public static final int INTENA = 1;

    public static final int OP_VERSION = 1;
    public static final int OP_RESET_VF = 2;
    public static final int OP_GET_VF_RESOURCES = 3;
    public static final int OP_CONFIG_VSI_QUEUES = 6;
    public static final int OP_CONFIG_IRQ_MAP = 7;
    public static final int OP_ENABLE_QUEUES = 8;
    public static final int OP_DISABLE_QUEUES = 9;
    public static final int OP_ADD_ETH_ADDR = 10;
    public static final int OP_DEL_ETH_ADDR = 11;
    public static final int OP_ADD_VLAN = 12;
    public static final int OP_CONFIG_PROMISCUOUS_MODE = 14;
    public static final int OP_GET_STATS = 15;
    public static final int OP_EVENT = 17;

    public static final int SUCCESS = 0;
    public static final int ERR_PARAM = -5;
    public static final int ERR_NO_MEMORY = -18;
    public static final int ERR_OPCODE_MISMATCH = -38;
    public static final int ERR_NOT_SUPPORTED = -64;

    public static final int SEND_MSG_TO_PF = 0x0801;
    public static final int SEND_MSG_TO_VF = 0x0802;
    public static final int QUEUE_SHUTDOWN = 0x0003;

    public static final int DESCRIPTOR_BYTES = 32;
    public static final int BUFFER_BYTES = 4096;
    public static final int VSI = 1;

    private static final Duration LIMIT = Duration.ofSeconds(20);
    private static final int FLAGS_COMMAND = 0x3400;
    private static final int FLAGS_BUFFER = 0x1200;

    /** A message from the function: the answer to one of the driver's, or an event. */
    public record Message(int opcode, int status, byte[] data) {

        public ByteBuffer buffer() {
            return ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
        }
    }

    private final GuestMemory memory;
    private final List<Message> events = new ArrayList<>();
    private AvfRegisters registers;
    private long atq;
    private long atqBuffers;
    private long arq;
    private long arqBuffers;
    private int entries;
    private int sendAt;
    private int receiveAt;

    public AvfDriver(AvfRegisters registers, GuestMemory memory) {
        this.registers = registers;
        this.memory = memory;
    }

    /** From now on the function is behind these. */
    public void moveTo(AvfRegisters others) {
        registers = others;
    }

    public AvfRegisters registers() {
        return registers;
    }

    public GuestMemory memory() {
        return memory;
    }

    /** Where the send queue's ring is. */
    public long sendRing() {
        return atq;
    }

    /** Where the receive queue's ring is. */
    public long receiveRing() {
        return arq;
    }

    /** Waits for something with a limit. */
    public static void await(String what, BooleanSupplier condition) {
        long end = System.nanoTime() + LIMIT.toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > end) {
                throw new AssertionError(what + ": not within " + LIMIT);
            }
            // The function's threads may need this processor.
            Thread.yield();
        }
    }

    /** Memory on a boundary of 128 bytes, as rings must have it. */
    public long aligned(long bytes) {
        return (memory.mapped(bytes + 128) + 127) & -128;
    }

    /** Sets both admin queues up, as a driver does at its start and after each reset. */
    public void openAdminQueues(int count) {
        if (entries != count) {
            atq = aligned((long) count * DESCRIPTOR_BYTES);
            arq = aligned((long) count * DESCRIPTOR_BYTES);
            atqBuffers = aligned((long) count * BUFFER_BYTES);
            arqBuffers = aligned((long) count * BUFFER_BYTES);
        }
        entries = count;
        sendAt = 0;
        receiveAt = 0;
        openQueue(ATQH, ATQT, ATQLEN, ATQBAL, ATQBAH, atq, count);
        for (int i = 0; i < count; i++) {
            postBuffer(i);
        }
        openQueue(ARQH, ARQT, ARQLEN, ARQBAL, ARQBAH, arq, count);
        registers.write(ARQT, count - 1);
    }

    /** Puts a message's descriptor and bytes at the send queue's next place, and does not tell. */
    public void prepare(int aqOpcode, int opcode, byte[] data) {
        long buffer = atqBuffers + (long) sendAt * BUFFER_BYTES;
        memory.put(buffer, data);
        long at = memory.host(atq + (long) sendAt * DESCRIPTOR_BYTES);
        RawMemory.putShort(at, (short) FLAGS_COMMAND);
        RawMemory.putShort(at + 2, (short) aqOpcode);
        RawMemory.putShort(at + 4, (short) data.length);
        RawMemory.putShort(at + 6, (short) 0);
        RawMemory.putInt(at + 8, opcode);
        RawMemory.putInt(at + 12, 0);
        RawMemory.putLong(at + 16, 0);
        RawMemory.putInt(at + 24, (int) (buffer >>> 32));
        RawMemory.putInt(at + 28, (int) buffer);
        sendAt = (sendAt + 1) % entries;
    }

    /** Tells of what was prepared. */
    public void ring() {
        registers.write(ATQT, sendAt);
    }

    /** Sends a command and waits until it is done. Returns the descriptor's result. */
    public int command(int aqOpcode, int opcode, byte... data) {
        int at = sendAt;
        prepare(aqOpcode, opcode, data);
        ring();
        await("admin command 0x" + Integer.toHexString(aqOpcode), () -> registers.read(ATQH) == sendAt);
        return RawMemory.getShort(memory.host(atq + (long) at * DESCRIPTOR_BYTES) + 6);
    }

    /** Sends a message and waits for its answer. Events that come before are kept. */
    public Message request(int opcode, byte... data) {
        command(SEND_MSG_TO_PF, opcode, data);
        Message message = awaitMessage();
        while (message.opcode == OP_EVENT) {
            events.add(message);
            message = awaitMessage();
        }
        return message;
    }

    /** The first event that was not asked for yet. */
    public Message awaitEvent() {
        return events.isEmpty() ? awaitMessage() : events.removeFirst();
    }

    public boolean hasMessage() {
        return registers.read(ARQH) != receiveAt;
    }

    public Message awaitMessage() {
        await("a message from the function", this::hasMessage);
        return takeMessage();
    }

    /** The next message, which is there. */
    public Message takeMessage() {
        long at = memory.host(arq + (long) receiveAt * DESCRIPTOR_BYTES);
        int length = Short.toUnsignedInt(RawMemory.getShort(at + 4));
        byte[] data = memory.get(arqBuffers + (long) receiveAt * BUFFER_BYTES, length);
        Message message = new Message(RawMemory.getInt(at + 8), RawMemory.getInt(at + 12), data);
        postBuffer(receiveAt);
        registers.write(ARQT, receiveAt);
        receiveAt = (receiveAt + 1) % entries;
        return message;
    }

    /** Asks for version 1.1 and the resources. Returns the station's address. */
    public byte[] negotiate() {
        request(OP_VERSION, ints(1, 1));
        Message resources = request(OP_GET_VF_RESOURCES, ints(1));
        return java.util.Arrays.copyOfRange(resources.data, 30, 36);
    }

    /** Sets up a pair of rings, has vectors tell of it (queue {@code n} by vector {@code n} + 1), and starts it. */
    public void start(AvfRing tx, AvfRing rx) {
        require(request(OP_CONFIG_VSI_QUEUES, queueConfig(tx, rx)), "configure queues");
        require(request(OP_CONFIG_IRQ_MAP, irqMap(tx.queue() + 1, 1 << tx.queue(), 1 << rx.queue())), "map vectors");
        require(request(OP_ENABLE_QUEUES, select(1 << rx.queue(), 1 << tx.queue())), "enable queues");
    }

    public static byte[] queueConfig(AvfRing tx, AvfRing rx) {
        return bytes(72)
                .putShort((short) VSI)
                .putShort((short) 1)
                .putInt(0)
                .putShort((short) VSI)
                .putShort((short) tx.queue())
                .putShort((short) tx.count())
                .putShort((short) 0)
                .putLong(tx.iova())
                .putLong(0)
                .putShort((short) VSI)
                .putShort((short) rx.queue())
                .putInt(rx.count())
                .putInt(0)
                .putInt(rx.bufferBytes())
                .putInt(AvfRing.MAX_FRAME)
                .putInt(0)
                .putLong(rx.iova())
                .putLong(0)
                .array();
    }

    public static byte[] irqMap(int vector, int txQueues, int rxQueues) {
        return bytes(14)
                .putShort((short) 1)
                .putShort((short) VSI)
                .putShort((short) vector)
                .putShort((short) rxQueues)
                .putShort((short) txQueues)
                .putInt(0)
                .array();
    }

    public static byte[] select(int rx, int tx) {
        return bytes(12).putInt(VSI).putInt(rx).putInt(tx).array();
    }

    public static byte[] addresses(byte[]... list) {
        ByteBuffer message = bytes(4 + 8 * list.length).putShort((short) VSI).putShort((short) list.length);
        for (byte[] address : list) {
            message.put(address).putShort((short) 0);
        }
        return message.array();
    }

    public static byte[] ints(int... values) {
        ByteBuffer message = bytes(Integer.BYTES * values.length);
        for (int value : values) {
            message.putInt(value);
        }
        return message.array();
    }

    private static ByteBuffer bytes(int count) {
        return ByteBuffer.allocate(count).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static void require(Message answer, String what) {
        if (answer.status != SUCCESS) {
            throw new AssertionError(what + ": status " + answer.status);
        }
    }

    private void openQueue(int head, int tail, int length, int low, int high, long ring, int count) {
        registers.write(head, 0);
        registers.write(tail, 0);
        registers.write(length, count | ENABLE);
        registers.write(low, (int) ring);
        registers.write(high, (int) (ring >>> 32));
    }

    private void postBuffer(int index) {
        long buffer = arqBuffers + (long) index * BUFFER_BYTES;
        long at = memory.host(arq + (long) index * DESCRIPTOR_BYTES);
        RawMemory.fill(at, DESCRIPTOR_BYTES, (byte) 0);
        RawMemory.putShort(at, (short) FLAGS_BUFFER);
        RawMemory.putShort(at + 4, (short) BUFFER_BYTES);
        RawMemory.putInt(at + 24, (int) (buffer >>> 32));
        RawMemory.putInt(at + 28, (int) buffer);
    }
}
