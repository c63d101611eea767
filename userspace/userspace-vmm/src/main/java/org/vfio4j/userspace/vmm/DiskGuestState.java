package org.vfio4j.userspace.vmm;

import static org.vfio4j.sys.Errno.EINVAL;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.BitSet;
import org.vfio4j.sys.ErrnoException;

/**
 * A {@link DiskGuest} but for its memory.
 *
 * @param random its next random number comes from it
 * @param counters what it has done
 * @param blocks by request: which block it is about; -1 when it is not in flight
 * @param writing by request: whether it writes
 * @param driver the state of its disk's driver
 */
record DiskGuestState(
        DiskGuestOptions options,
        long random,
        DiskGuest.Counters counters,
        long[] blocks,
        BitSet writing,
        byte[] driver) {

    static final long NONE = -1;

    private static final int VERSION = 1;
    private static final int MAX_DRIVER_BYTES = 8 << 20;

    byte[] toBytes() {
        int size = 4 * Integer.BYTES + 6 * Long.BYTES + blocks.length * (Long.BYTES + 1) + driver.length;
        ByteBuffer to = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        to.putInt(VERSION).putInt(options.depth()).putInt(options.readPercent());
        to.putLong(options.dirtyBytesPerSecond()).putLong(random);
        to.putLong(counters.reads())
                .putLong(counters.writes())
                .putLong(counters.pages())
                .putLong(counters.moves());
        for (int i = 0; i < blocks.length; i++) {
            to.putLong(blocks[i]).put((byte) (writing.get(i) ? 1 : 0));
        }
        to.putInt(driver.length).put(driver);
        return to.array();
    }

    /** @throws ErrnoException EINVAL for what {@link #toBytes} does not give */
    static DiskGuestState parse(byte[] bytes) {
        ByteBuffer from = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        try {
            int version = from.getInt();
            if (version != VERSION) {
                throw new ErrnoException(EINVAL, "state of a guest with a disk: version " + version);
            }
            DiskGuestOptions options = new DiskGuestOptions(from.getInt(), from.getInt(), from.getLong());
            long random = from.getLong();
            DiskGuest.Counters counters =
                    new DiskGuest.Counters(from.getLong(), from.getLong(), from.getLong(), from.getLong());
            long[] blocks = new long[options.depth()];
            BitSet writing = new BitSet();
            for (int i = 0; i < blocks.length; i++) {
                blocks[i] = from.getLong();
                writing.set(i, from.get() != 0);
            }
            int length = from.getInt();
            if (length < 0 || length > Math.min(MAX_DRIVER_BYTES, from.remaining())) {
                throw new ErrnoException(EINVAL, "state of a guest with a disk: a driver of " + length + " bytes");
            }
            byte[] driver = new byte[length];
            from.get(driver);
            return new DiskGuestState(options, random, counters, blocks, writing, driver);
        } catch (BufferUnderflowException | IllegalArgumentException e) {
            throw new ErrnoException(EINVAL, "state of a guest with a disk: " + e);
        }
    }
}
