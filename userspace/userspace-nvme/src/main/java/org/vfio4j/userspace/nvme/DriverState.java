package org.vfio4j.userspace.nvme;

import static org.vfio4j.sys.Errno.EINVAL;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.vfio4j.sys.ErrnoException;

/**
 * What a driver knows that is not in the memory that it shares with the controller: with both, another driver goes on with it.
 *
 * @param cap the controller's CAP register
 * @param shadowAt where the shadow doorbells are in the memory; -1 when doorbells are written
 * @param vectors interrupts that it has asked for
 * @param buffersAt where the memory for buffers begins
 * @param bufferBytes how much of it has been handed out
 */
record DriverState(
        long cap,
        NvmeInfo info,
        NvmeNamespace namespace,
        long shadowAt,
        int vectors,
        long buffersAt,
        long bufferBytes,
        List<RingState> rings) {

    static final long WRITTEN = -1;

    private static final int VERSION = 1;
    private static final int FIXED_BYTES = 256;
    private static final int MAX_QUEUES = 256;
    private static final int MAX_TEXT = 255;

    DriverState {
        rings = List.copyOf(rings);
    }

    byte[] toBytes() {
        int size = FIXED_BYTES
                + 3 * (1 + MAX_TEXT)
                + rings.stream().mapToInt(RingState::bytes).sum();
        ByteBuffer to = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        to.putInt(VERSION).putLong(cap);
        for (String text : List.of(info.serialNumber(), info.modelNumber(), info.firmwareRevision())) {
            byte[] ascii = text.getBytes(StandardCharsets.US_ASCII);
            to.put((byte) ascii.length).put(ascii);
        }
        to.putInt(info.mdts()).putInt(info.oacs()).putInt(info.oncs()).put(flag(info.volatileWriteCache()));
        to.putInt(namespace.nsid()).putLong(namespace.blocks()).putInt(namespace.blockShift());
        to.put(flag(namespace.readOnly())).put(flag(namespace.canCompare()));
        to.putInt(namespace.maxTransferBytes());
        to.putLong(namespace.maxDeallocateBytes()).putLong(namespace.maxWriteZeroesBytes());
        to.put(flag(namespace.zeroesByDeallocation()));
        to.putLong(shadowAt).putInt(vectors).putLong(buffersAt).putLong(bufferBytes);
        to.putInt(rings.size());
        rings.forEach(ring -> ring.write(to));
        byte[] bytes = new byte[to.position()];
        to.get(0, bytes);
        return bytes;
    }

    /** @throws ErrnoException EINVAL for what {@link #toBytes} does not give */
    static DriverState parse(byte[] bytes) {
        ByteBuffer from = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        try {
            int version = from.getInt();
            if (version != VERSION) {
                throw new ErrnoException(EINVAL, "state of an NVMe driver: version " + version);
            }
            long cap = from.getLong();
            NvmeInfo info = new NvmeInfo(
                    text(from), text(from), text(from), from.getInt(), from.getInt(), from.getInt(), from.get() != 0);
            NvmeNamespace namespace = new NvmeNamespace(
                    from.getInt(),
                    from.getLong(),
                    from.getInt(),
                    from.get() != 0,
                    from.get() != 0,
                    from.getInt(),
                    from.getLong(),
                    from.getLong(),
                    from.get() != 0);
            namespace.checkSense();
            long shadowAt = from.getLong();
            int vectors = from.getInt();
            long buffersAt = from.getLong();
            long bufferBytes = from.getLong();
            int queues = from.getInt();
            boolean sense = queues >= 1 && queues <= MAX_QUEUES && vectors >= 0 && vectors <= MAX_QUEUES + 1;
            if (!sense || shadowAt < WRITTEN || buffersAt < 0 || bufferBytes < 0) {
                throw new ErrnoException(
                        EINVAL,
                        "state of an NVMe driver with " + queues + " queues, " + vectors + " interrupts, doorbells at "
                                + shadowAt + " and " + bufferBytes + " bytes of buffers at " + buffersAt);
            }
            List<RingState> rings = new ArrayList<>();
            for (int i = 0; i < queues; i++) {
                rings.add(RingState.read(from));
            }
            return new DriverState(cap, info, namespace, shadowAt, vectors, buffersAt, bufferBytes, rings);
        } catch (BufferUnderflowException e) {
            throw new ErrnoException(EINVAL, "state of an NVMe driver: it ends after " + bytes.length + " bytes");
        }
    }

    private static byte flag(boolean set) {
        return (byte) (set ? 1 : 0);
    }

    private static String text(ByteBuffer from) {
        byte[] ascii = new byte[from.get() & 0xff];
        from.get(ascii);
        return new String(ascii, StandardCharsets.US_ASCII);
    }
}
