package org.vfio4j.userspace.virtioblk;

import static org.vfio4j.sys.Errno.EINVAL;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.vfio4j.sys.ErrnoException;

/**
 * What a driver knows that is not in the memory that it shares with the device: with both, another driver goes on with the disk.
 *
 * @param info the disk as it was found
 * @param structures where its registers are
 * @param bufferBytes how much of the memory for buffers has been handed out
 */
record DriverState(
        VirtioBlkInfo info, VirtioStructures structures, String serial, long bufferBytes, List<RingState> rings) {

    private static final int VERSION = 2;
    private static final int FIXED_BYTES = 6 * Integer.BYTES + 5 * Long.BYTES + 2 + VirtioStructures.BYTES;
    private static final int MAX_QUEUES = 256;

    DriverState {
        rings = List.copyOf(rings);
    }

    byte[] toBytes() {
        byte[] name = serial.getBytes(StandardCharsets.US_ASCII);
        int size = FIXED_BYTES
                + name.length
                + rings.stream().mapToInt(RingState::bytes).sum();
        ByteBuffer to = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        to.putInt(VERSION).putLong(info.features()).putLong(info.capacityBytes());
        to.putInt(info.blockSize()).put((byte) (info.readOnly() ? 1 : 0)).putInt(info.maxTransferBytes());
        to.putLong(info.maxDiscardBytes()).putLong(info.maxWriteZeroesBytes());
        structures.write(to);
        to.put((byte) name.length).put(name);
        to.putLong(bufferBytes).putInt(rings.size());
        rings.forEach(ring -> ring.write(to));
        return Arrays.copyOf(to.array(), to.position());
    }

    /** @throws ErrnoException EINVAL for what {@link #toBytes} does not give */
    static DriverState parse(byte[] bytes) {
        ByteBuffer from = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        try {
            int version = from.getInt();
            if (version != VERSION) {
                throw new ErrnoException(EINVAL, "state of a virtio disk's driver: version " + version);
            }
            long features = from.getLong();
            long capacity = from.getLong();
            int blockSize = from.getInt();
            boolean readOnly = from.get() != 0;
            VirtioBlkInfo info = new VirtioBlkInfo(
                    features, capacity, blockSize, readOnly, from.getInt(), from.getLong(), from.getLong());
            VirtioStructures structures = VirtioStructures.read(from);
            byte[] name = new byte[from.get() & 0xff];
            from.get(name);
            long bufferBytes = from.getLong();
            int queues = from.getInt();
            if (queues < 1 || queues > MAX_QUEUES) {
                throw new ErrnoException(EINVAL, "state of a virtio disk's driver with " + queues + " queues");
            }
            List<RingState> rings = new ArrayList<>();
            for (int i = 0; i < queues; i++) {
                rings.add(RingState.read(from));
            }
            return new DriverState(info, structures, new String(name, StandardCharsets.US_ASCII), bufferBytes, rings);
        } catch (BufferUnderflowException e) {
            throw new ErrnoException(
                    EINVAL, "state of a virtio disk's driver: it ends after " + bytes.length + " bytes");
        }
    }
}
