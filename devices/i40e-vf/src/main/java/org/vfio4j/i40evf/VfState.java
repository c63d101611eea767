package org.vfio4j.i40evf;

import static org.vfio4j.sys.Errno.EINVAL;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.vfio4j.sys.ErrnoException;

/**
 * All that makes a function what it is, apart from configuration space and MSI-X table, which whoever gave it to the driver
 * restores as it does for any function. Taken and put back while the function is quiesced; checked as a whole when it is read.
 *
 * <p>Saved, it is little-endian and begins with the word "i40e-vf", zero-terminated, and a version of 4 bytes.
 *
 * @param registers every stored register, in {@link VfRegisters}' order
 * @param vectors see {@link VfInterrupts#save}
 * @param macAddress the function's own
 * @param minorVersion of the messages
 * @param filters what it receives
 * @param linkEvent whether an event about the link is due
 * @param resetEvent whether an event that asks for a reset is due
 * @param tx the transmit queues
 * @param rx the receive queues
 * @param counters what has been counted
 * @param backlog frames that the driver does not have yet
 */
record VfState(
        int[] registers,
        int[] vectors,
        long macAddress,
        int minorVersion,
        MacFilters filters,
        boolean linkEvent,
        boolean resetEvent,
        List<Tx> tx,
        List<Rx> rx,
        long[] counters,
        List<byte[]> backlog) {

    static final int VERSION = 1;
    private static final long MAGIC = 0x0066_762d_6530_3469L;

    /** What the receiver's rings can hold, with the largest link there is. */
    private static final int MAX_BACKLOG_BYTES = NetworkLink.MAX_PORTS * FrameRing.BYTES;

    private static final int FLAG_LINK_EVENT = 1;
    private static final int FLAG_RESET_EVENT = 2;
    private static final int FLAG_ALL_UNICAST = 4;
    private static final int FLAG_ALL_MULTICAST = 8;
    private static final int TX_BYTES = 24;
    private static final int RX_BYTES = 32;
    private static final int FIXED_BYTES = 64;

    /** {@link TxQueue}'s state. */
    record Tx(long ring, int count, int head, int vector, boolean enabled) {}

    /** {@link RxQueue}'s state. */
    record Rx(long ring, int count, int bufferBytes, int maxPacket, int head, int vector, boolean enabled) {}

    /** The state of these parts. */
    static VfState take(
            VfRegisters registers,
            VfInterrupts interrupts,
            VfConfig config,
            VfCounters counters,
            Collection<byte[]> backlog) {
        int[] vectors = new int[interrupts.count()];
        for (int i = 0; i < vectors.length; i++) {
            vectors[i] = interrupts.save(i);
        }
        List<Tx> tx = new ArrayList<>();
        List<Rx> rx = new ArrayList<>();
        for (int i = 0; i < config.queuePairs; i++) {
            TxQueue t = config.tx[i];
            tx.add(new Tx(t.ring, t.count, t.head, t.vector, t.enabled));
            RxQueue r = config.rx[i];
            rx.add(new Rx(r.ring, r.count, r.bufferBytes, r.maxPacket, r.head, r.vector, r.enabled));
        }
        long[] counted = new long[VfCounters.COUNT];
        for (int i = 0; i < counted.length; i++) {
            counted[i] = counters.get(i);
        }
        return new VfState(
                registers.save(),
                vectors,
                config.macAddress,
                config.minorVersion,
                config.filters,
                config.linkEvent,
                config.resetEvent,
                tx,
                rx,
                counted,
                List.copyOf(backlog));
    }

    /** Makes these parts have this state. */
    void put(
            VfRegisters intoRegisters,
            VfInterrupts intoInterrupts,
            VfConfig config,
            VfCounters intoCounters,
            Collection<byte[]> intoBacklog) {
        intoRegisters.load(registers);
        for (int i = 0; i < vectors.length; i++) {
            intoInterrupts.load(i, vectors[i]);
        }
        config.macAddress = macAddress;
        config.minorVersion = minorVersion;
        config.filters = filters;
        config.linkEvent = linkEvent;
        config.resetEvent = resetEvent;
        for (int i = 0; i < config.queuePairs; i++) {
            config.tx[i].load(tx.get(i));
            config.rx[i].load(rx.get(i));
        }
        for (int i = 0; i < counters.length; i++) {
            intoCounters.set(i, counters[i]);
        }
        intoBacklog.clear();
        intoBacklog.addAll(backlog);
    }

    byte[] toBytes() {
        int frames =
                backlog.stream().mapToInt(frame -> Integer.BYTES + frame.length).sum();
        ByteBuffer to = ByteBuffer.allocate(FIXED_BYTES
                        + Integer.BYTES * (registers.length + vectors.length)
                        + Long.BYTES * (filters.count() + counters.length)
                        + tx.size() * (TX_BYTES + RX_BYTES)
                        + frames)
                .order(ByteOrder.LITTLE_ENDIAN);
        to.putLong(MAGIC).putInt(VERSION).putInt(tx.size()).putInt(registers.length);
        for (int value : registers) {
            to.putInt(value);
        }
        for (int vector : vectors) {
            to.putInt(vector);
        }
        to.putLong(macAddress).putInt(minorVersion).putInt(flags()).putInt(filters.count());
        for (int i = 0; i < filters.count(); i++) {
            to.putLong(filters.get(i));
        }
        for (Tx t : tx) {
            to.putLong(t.ring).putInt(t.count).putInt(t.head).putInt(t.vector).putInt(t.enabled ? 1 : 0);
        }
        for (Rx r : rx) {
            to.putLong(r.ring).putInt(r.count).putInt(r.bufferBytes).putInt(r.maxPacket);
            to.putInt(r.head).putInt(r.vector).putInt(r.enabled ? 1 : 0);
        }
        to.putInt(counters.length);
        for (long counter : counters) {
            to.putLong(counter);
        }
        to.putInt(backlog.size());
        for (byte[] frame : backlog) {
            to.putInt(frame.length).put(frame);
        }
        byte[] bytes = new byte[to.position()];
        to.get(0, bytes);
        return bytes;
    }

    /**
     * Reads what {@link #toBytes} has written.
     *
     * @param queuePairs how many the function has that is to get it
     * @throws ErrnoException EINVAL with the reason, when it is another kind's or version's, does not fit the function, or is none
     *     that a function could have
     */
    static VfState parse(byte[] bytes, int queuePairs) {
        ByteBuffer from = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        try {
            require(from.getLong() == MAGIC, "not the state of an i40e-vf");
            int version = from.getInt();
            require(version == VERSION, "version " + version + ", this one reads " + VERSION);
            int pairs = from.getInt();
            require(pairs == queuePairs, pairs + " queue pairs, the function has " + queuePairs);
            VfState state = parseBody(from, pairs);
            require(!from.hasRemaining(), from.remaining() + " bytes behind its end");
            return state;
        } catch (BufferUnderflowException e) {
            ErrnoException cut = refused("cut short at " + bytes.length + " bytes");
            cut.initCause(e);
            throw cut;
        }
    }

    private static VfState parseBody(ByteBuffer from, int pairs) {
        int count = from.getInt();
        require(count == VfRegisters.count(), count + " registers, not " + VfRegisters.count());
        int[] registers = new int[count];
        for (int i = 0; i < count; i++) {
            registers[i] = from.getInt();
        }
        require(VfRegisters.isValid(registers), "a function in reset");
        int[] vectors = new int[pairs + 1];
        for (int i = 0; i < vectors.length; i++) {
            vectors[i] = from.getInt();
            require(VfInterrupts.isValid(vectors[i]), "vector " + i + " in state " + vectors[i]);
        }
        long mac = from.getLong();
        require(MacFilters.isValid(mac) && !MacFilters.isMulticast(mac), "no station's MAC address");
        int minorVersion = from.getInt();
        require(minorVersion == 0 || minorVersion == 1, "messages of version 1." + minorVersion);
        int flags = from.getInt();
        require((flags & ~0xf) == 0, "flags 0x" + Integer.toHexString(flags));
        MacFilters filters =
                parseFilters(from).promiscuous((flags & FLAG_ALL_UNICAST) != 0, (flags & FLAG_ALL_MULTICAST) != 0);
        List<Tx> tx = new ArrayList<>();
        for (int i = 0; i < pairs; i++) {
            tx.add(parseTx(from, pairs));
        }
        List<Rx> rx = new ArrayList<>();
        for (int i = 0; i < pairs; i++) {
            rx.add(parseRx(from, pairs));
        }
        count = from.getInt();
        require(count == VfCounters.COUNT, count + " counters, not " + VfCounters.COUNT);
        long[] counters = new long[count];
        for (int i = 0; i < count; i++) {
            counters[i] = from.getLong();
        }
        boolean linkEvent = (flags & FLAG_LINK_EVENT) != 0;
        boolean resetEvent = (flags & FLAG_RESET_EVENT) != 0;
        return new VfState(
                registers, vectors, mac, minorVersion, filters, linkEvent, resetEvent, tx, rx, counters, frames(from));
    }

    private static MacFilters parseFilters(ByteBuffer from) {
        int count = from.getInt();
        require(count >= 0 && count <= MacFilters.MAX, count + " addresses, the limit is " + MacFilters.MAX);
        MacFilters filters = MacFilters.NONE;
        for (int i = 0; i < count; i++) {
            long address = from.getLong();
            require(MacFilters.isValid(address), "filter for 0x" + Long.toHexString(address));
            filters = filters.with(address);
        }
        return filters;
    }

    private static Tx parseTx(ByteBuffer from, int pairs) {
        Tx tx = new Tx(from.getLong(), from.getInt(), from.getInt(), from.getInt(), parseBoolean(from));
        require(isUnused(tx.count, tx.enabled) || VirtchnlPf.isTxRing(tx.count, tx.ring), "transmit queue " + tx);
        checkQueue(tx.head, tx.count, tx.vector, pairs);
        return tx;
    }

    private static Rx parseRx(ByteBuffer from, int pairs) {
        Rx rx = new Rx(
                from.getLong(),
                from.getInt(),
                from.getInt(),
                from.getInt(),
                from.getInt(),
                from.getInt(),
                parseBoolean(from));
        boolean valid = VirtchnlPf.isRxRing(rx.count, rx.ring)
                && VirtchnlPf.isRxBuffer(rx.bufferBytes)
                && VirtchnlPf.isRxPacket(rx.maxPacket);
        require(isUnused(rx.count, rx.enabled) || valid, "receive queue " + rx);
        checkQueue(rx.head, rx.count, rx.vector, pairs);
        return rx;
    }

    private static boolean isUnused(int count, boolean enabled) {
        return count == 0 && !enabled;
    }

    private static void checkQueue(int head, int count, int vector, int pairs) {
        require(head >= 0 && head < Math.max(count, 1), "head " + head + " of a ring of " + count);
        require((vector >= 0 && vector <= pairs) || vector == VfConfig.NO_VECTOR, "a queue of vector " + vector);
    }

    private static List<byte[]> frames(ByteBuffer from) {
        int count = from.getInt();
        require(count >= 0, count + " frames");
        List<byte[]> frames = new ArrayList<>();
        long total = 0;
        for (int i = 0; i < count; i++) {
            int length = from.getInt();
            require(
                    length >= TxPacket.MIN_FRAME_BYTES && length <= TxPacket.MAX_FRAME_BYTES,
                    "a frame of " + length + " bytes");
            total += length;
            require(total <= MAX_BACKLOG_BYTES, "more than " + MAX_BACKLOG_BYTES + " bytes of frames");
            if (length > from.remaining()) {
                throw new BufferUnderflowException();
            }
            byte[] frame = new byte[length];
            from.get(frame);
            frames.add(frame);
        }
        return frames;
    }

    private static boolean parseBoolean(ByteBuffer from) {
        int value = from.getInt();
        require(value == 0 || value == 1, "a flag of " + value);
        return value == 1;
    }

    private int flags() {
        return (linkEvent ? FLAG_LINK_EVENT : 0)
                | (resetEvent ? FLAG_RESET_EVENT : 0)
                | (filters.allUnicast() ? FLAG_ALL_UNICAST : 0)
                | (filters.allMulticast() ? FLAG_ALL_MULTICAST : 0);
    }

    private static void require(boolean holds, String reason) {
        if (!holds) {
            throw refused(reason);
        }
    }

    private static ErrnoException refused(String reason) {
        return new ErrnoException(EINVAL, "load state: " + reason);
    }
}
