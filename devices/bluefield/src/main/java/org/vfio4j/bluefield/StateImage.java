package org.vfio4j.bluefield;

import static org.vfio4j.sys.Errno.EINVAL;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.zip.CRC32C;
import org.vfio4j.sys.ErrnoException;

/**
 * What SAVE_VHCA_STATE gives and LOAD_VHCA_STATE takes: a VHCA's whole state, or where it differs from the one before.
 * Little-endian, each word of 4 bytes:
 *
 * <pre>
 *    0 magic             12 number, from 0          24 CRC-32C of all but this field
 *    4 version           16 bytes of the state      28 pieces of the state: { offset, bytes, data }
 *    8 flags (1: last)   20 CRC-32C of the state
 * </pre>
 *
 * @param number of the image: the first has the whole state, each other one changes what those before it have given
 * @param isLast whether the state is complete with it
 * @param stateBytes length of the whole state
 * @param stateCrc of the whole state
 * @param pieces what is new, as above
 */
record StateImage(int number, boolean isLast, int stateBytes, int stateCrc, byte[] pieces) {

    /** The longest state that is taken: far more than the largest disk has. */
    static final int MAX_STATE_BYTES = 1 << 20;

    private static final int MAGIC = 0x4143_4856;
    private static final int VERSION = 1;
    private static final int LAST = 1;
    private static final int CRC_AT = 24;
    private static final int HEADER_BYTES = 28;
    private static final int PIECE_BYTES = 8;

    /** Of a state, and the one that the image before gave; empty for none. */
    static StateImage of(int number, boolean isLast, byte[] before, byte[] state) {
        ByteArrayOutputStream pieces = new ByteArrayOutputStream();
        if (before.length != state.length) {
            addPiece(pieces, state, 0, state.length);
        } else {
            addChanges(pieces, before, state);
        }
        return new StateImage(number, isLast, state.length, crc(state), pieces.toByteArray());
    }

    /** How long an image of a whole state is. */
    static int sizeBytes(int stateBytes) {
        return HEADER_BYTES + PIECE_BYTES + stateBytes;
    }

    /** Whether anything has changed. */
    boolean isEmpty() {
        return pieces.length == 0;
    }

    int sizeBytes() {
        return HEADER_BYTES + pieces.length;
    }

    byte[] toBytes() {
        ByteBuffer out = ByteBuffer.allocate(sizeBytes())
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(MAGIC)
                .putInt(VERSION)
                .putInt(isLast ? LAST : 0)
                .putInt(number)
                .putInt(stateBytes)
                .putInt(stateCrc)
                .putInt(0)
                .put(pieces);
        return out.putInt(CRC_AT, imageCrc(out.array())).array();
    }

    /**
     * Reads what {@link #toBytes} has written.
     *
     * @throws ErrnoException EINVAL for anything else
     */
    static StateImage parse(byte[] image) {
        if (image.length < HEADER_BYTES) {
            throw refused(image.length + " bytes, at least " + HEADER_BYTES + " are needed");
        }
        ByteBuffer in = ByteBuffer.wrap(image).order(ByteOrder.LITTLE_ENDIAN);
        int magic = in.getInt();
        int version = in.getInt();
        int flags = in.getInt();
        int number = in.getInt();
        int stateBytes = in.getInt();
        int stateCrc = in.getInt();
        if (magic != MAGIC) {
            throw refused("it begins with 0x" + Integer.toHexString(magic));
        }
        if (version != VERSION) {
            throw refused("version " + Integer.toUnsignedLong(version) + ", this firmware reads " + VERSION);
        }
        if ((flags & ~LAST) != 0) {
            throw refused("flags 0x" + Integer.toHexString(flags));
        }
        if (stateBytes < 0 || stateBytes > MAX_STATE_BYTES) {
            throw refused(
                    "a state of " + Integer.toUnsignedLong(stateBytes) + " bytes, the limit is " + MAX_STATE_BYTES);
        }
        if (in.getInt() != imageCrc(image)) {
            throw refused("its checksum is wrong");
        }
        byte[] pieces = Arrays.copyOfRange(image, HEADER_BYTES, image.length);
        return new StateImage(number, flags == LAST, stateBytes, stateCrc, pieces);
    }

    /**
     * The state with this image, where {@code before} is the one without it.
     *
     * @throws ErrnoException EINVAL when that is not the state that the image was taken of
     */
    byte[] applyTo(byte[] before) {
        byte[] state = Arrays.copyOf(before, stateBytes);
        ByteBuffer in = ByteBuffer.wrap(pieces).order(ByteOrder.LITTLE_ENDIAN);
        while (in.hasRemaining()) {
            if (in.remaining() < PIECE_BYTES) {
                throw refused(in.remaining() + " bytes behind its last piece");
            }
            int at = in.getInt();
            int length = in.getInt();
            if (length <= 0 || length > in.remaining() || at < 0 || at > stateBytes - length) {
                throw refused("a piece at " + Integer.toUnsignedLong(at) + " of " + Integer.toUnsignedLong(length)
                        + " bytes, in a state of " + stateBytes);
            }
            in.get(state, at, length);
        }
        if (crc(state) != stateCrc) {
            throw refused("the state does not have the checksum that it should");
        }
        return state;
    }

    static ErrnoException refused(String why) {
        return new ErrnoException(EINVAL, "load VHCA state: image: " + why);
    }

    private static void addChanges(ByteArrayOutputStream pieces, byte[] before, byte[] state) {
        int at = 0;
        while (at < state.length) {
            int from = Arrays.mismatch(before, at, before.length, state, at, state.length);
            if (from < 0) {
                return;
            }
            int first = at + from;
            int end = first + 1;
            // A piece's head costs as much as this many bytes that are the same.
            for (int i = end; i < state.length && i - end < PIECE_BYTES; i++) {
                if (before[i] != state[i]) {
                    end = i + 1;
                }
            }
            addPiece(pieces, state, first, end);
            at = end;
        }
    }

    private static void addPiece(ByteArrayOutputStream pieces, byte[] state, int from, int to) {
        ByteBuffer head = ByteBuffer.allocate(PIECE_BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(from)
                .putInt(to - from);
        pieces.writeBytes(head.array());
        pieces.write(state, from, to - from);
    }

    private static int crc(byte[] bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return (int) crc.getValue();
    }

    private static int imageCrc(byte[] image) {
        CRC32C crc = new CRC32C();
        crc.update(image, 0, CRC_AT);
        crc.update(image, HEADER_BYTES, image.length - HEADER_BYTES);
        return (int) crc.getValue();
    }
}
