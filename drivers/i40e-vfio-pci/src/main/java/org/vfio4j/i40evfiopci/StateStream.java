package org.vfio4j.i40evfiopci;

import static org.vfio4j.sys.Errno.EINVAL;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;
import org.vfio4j.i40e.I40eVfControl;
import org.vfio4j.sys.ErrnoException;

/**
 * A function's state as it goes from one driver to the other: u64 magic, u32 version, u32 length, the state, u32 CRC-32C of all
 * before it; little-endian. Both generations of migration send the same. Stateless.
 */
final class StateStream {

    static final long MAGIC = 0x6676_6530_3469L; // "i40evf"
    static final int VERSION = 1;

    /** More than any function has, with all frames that wait for it. */
    static final int MAX_STATE_BYTES = 1 << 26;

    private static final int HEADER_BYTES = 16;
    private static final int CRC_BYTES = 4;

    /** What a stream has beside the state. */
    static final int OVERHEAD_BYTES = HEADER_BYTES + CRC_BYTES;

    /** The longest stream. */
    static final int MAX_BYTES = OVERHEAD_BYTES + MAX_STATE_BYTES;

    private StateStream() {}

    /** Takes the state out of a suspended function. */
    static byte[] save(I40eVfControl vf) {
        byte[] state = vf.saveState();
        ByteBuffer out = ByteBuffer.allocate(OVERHEAD_BYTES + state.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(MAGIC)
                .putInt(VERSION)
                .putInt(state.length)
                .put(state);
        return out.putInt(crc(out.array(), out.position())).array();
    }

    /**
     * Puts a state into a suspended function.
     *
     * @throws ErrnoException EINVAL, saying why, for what is no such stream, whole and undamaged; nothing has changed then
     */
    static void load(I40eVfControl vf, byte[] stream) {
        ByteBuffer in = ByteBuffer.wrap(stream).order(ByteOrder.LITTLE_ENDIAN);
        if (stream.length < OVERHEAD_BYTES) {
            throw refused(stream.length + " bytes, at least " + OVERHEAD_BYTES + " are needed");
        }
        long magic = in.getLong();
        int version = in.getInt();
        int length = in.getInt();
        if (magic != MAGIC) {
            throw refused("it begins with 0x" + Long.toHexString(magic) + ", not 0x" + Long.toHexString(MAGIC));
        }
        if (version != VERSION) {
            throw refused("version " + Integer.toUnsignedLong(version) + ", this driver reads " + VERSION);
        }
        if (length != stream.length - OVERHEAD_BYTES) {
            throw refused(Integer.toUnsignedLong(length) + " bytes of state announced, "
                    + (stream.length - OVERHEAD_BYTES) + " came");
        }
        byte[] state = new byte[length];
        in.get(state);
        if (in.getInt() != crc(stream, HEADER_BYTES + length)) {
            throw refused("its checksum is wrong");
        }
        vf.loadState(state);
    }

    private static int crc(byte[] bytes, int length) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, 0, length);
        return (int) crc.getValue();
    }

    private static ErrnoException refused(String why) {
        return new ErrnoException(EINVAL, "migration data: " + why);
    }
}
