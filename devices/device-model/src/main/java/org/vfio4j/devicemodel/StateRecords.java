package org.vfio4j.devicemodel;

import static org.vfio4j.sys.Errno.EINVAL;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32C;
import org.vfio4j.sys.ErrnoException;

/**
 * How the bytes of a {@link FunctionState} are laid out: records that say what they are, so that a later version can add some
 * and an earlier one still reads what it knows. Little-endian:
 *
 * <pre>
 *    0 kind, ASCII, padded with NUL      20 bytes, all of the state
 *   16 version                           24 CRC-32C of all but this field
 *   28 records: { tag, flags (1: optional), bytes of data, data }, each word of 4 bytes
 * </pre>
 *
 * <p>The version is that of the layout of known records; it changes only when one of them does. Stateless but for what
 * {@link #add} collects, which belongs to one thread.
 */
public final class StateRecords {

    /** What a state has besides its records. */
    public static final int HEADER_BYTES = 28;

    /** What a record has besides its data. */
    public static final int RECORD_BYTES = 12;

    private static final int KIND_BYTES = 16;
    private static final int VERSION_AT = 16;
    private static final int SIZE_AT = 20;
    private static final int CRC_AT = 24;
    private static final int OPTIONAL = 1;

    private final ByteArrayOutputStream records = new ByteArrayOutputStream();
    private final String kind;
    private final int version;

    /** @param kind what it is a state of, at most 16 characters */
    public StateRecords(String kind, int version) {
        this.kind = kind;
        this.version = version;
    }

    /** Adds a record that nobody can do without. */
    public StateRecords add(int tag, byte[] data) {
        return add(tag, 0, data);
    }

    /** Adds a record that an older reader skips. */
    public StateRecords addOptional(int tag, byte[] data) {
        return add(tag, OPTIONAL, data);
    }

    public byte[] toBytes() {
        byte[] body = records.toByteArray();
        byte[] all = new byte[HEADER_BYTES + body.length];
        System.arraycopy(kindBytes(kind), 0, all, 0, KIND_BYTES);
        System.arraycopy(body, 0, all, HEADER_BYTES, body.length);
        ByteBuffer out = littleEndian(all);
        out.putInt(VERSION_AT, version).putInt(SIZE_AT, all.length).putInt(CRC_AT, crc(all));
        return all;
    }

    /** An empty buffer for a record's data. */
    public static ByteBuffer data(int sizeBytes) {
        return littleEndian(new byte[sizeBytes]);
    }

    /**
     * The records of a state.
     *
     * @throws ErrnoException EINVAL, saying why, for one of another kind or version, cut short, too long or damaged
     */
    public static List<StateRecord> read(String kind, int version, byte[] state) {
        require(state.length >= HEADER_BYTES, state.length + " bytes, at least " + HEADER_BYTES + " are needed");
        byte[] itsKind = Arrays.copyOf(state, KIND_BYTES);
        require(Arrays.equals(itsKind, kindBytes(kind)), "it is one of '" + printable(itsKind) + "', not of " + kind);
        ByteBuffer in = littleEndian(state);
        int itsVersion = in.getInt(VERSION_AT);
        require(itsVersion == version, "version " + Integer.toUnsignedLong(itsVersion) + ", this one is " + version);
        int size = in.getInt(SIZE_AT);
        require(size == state.length, Integer.toUnsignedLong(size) + " bytes announced, " + state.length + " came");
        require(in.getInt(CRC_AT) == crc(state), "its checksum is wrong");
        List<StateRecord> all = new ArrayList<>();
        in.position(HEADER_BYTES);
        while (in.hasRemaining()) {
            all.add(next(in));
        }
        return all;
    }

    /** A refusal. */
    public static ErrnoException refused(String why) {
        return new ErrnoException(EINVAL, "load state: " + why);
    }

    private StateRecords add(int tag, int flags, byte[] data) {
        ByteBuffer head = data(RECORD_BYTES).putInt(tag).putInt(flags).putInt(data.length);
        records.writeBytes(head.array());
        records.writeBytes(data);
        return this;
    }

    private static StateRecord next(ByteBuffer in) {
        require(in.remaining() >= RECORD_BYTES, in.remaining() + " bytes behind its last record");
        int tag = in.getInt();
        int flags = in.getInt();
        int length = in.getInt();
        String what = "record 0x" + Integer.toHexString(tag);
        require((flags & ~OPTIONAL) == 0, what + " with flags 0x" + Integer.toHexString(flags));
        require(
                length >= 0 && length <= in.remaining(),
                what + " of " + Integer.toUnsignedLong(length) + " bytes, " + in.remaining() + " are left");
        ByteBuffer data = in.slice(in.position(), length).order(ByteOrder.LITTLE_ENDIAN);
        in.position(in.position() + length);
        return new StateRecord(tag, flags == OPTIONAL, data);
    }

    private static byte[] kindBytes(String kind) {
        byte[] ascii = kind.getBytes(StandardCharsets.US_ASCII);
        if (ascii.length > KIND_BYTES) {
            throw new IllegalArgumentException("kind '" + kind + "': the limit is " + KIND_BYTES + " characters");
        }
        return Arrays.copyOf(ascii, KIND_BYTES);
    }

    private static String printable(byte[] kind) {
        StringBuilder text = new StringBuilder();
        for (byte b : kind) {
            if (b != 0) {
                text.append(b > ' ' && b < 0x7f ? (char) b : '?');
            }
        }
        return text.toString();
    }

    private static int crc(byte[] state) {
        CRC32C crc = new CRC32C();
        crc.update(state, 0, CRC_AT);
        crc.update(state, HEADER_BYTES, state.length - HEADER_BYTES);
        return (int) crc.getValue();
    }

    private static ByteBuffer littleEndian(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static void require(boolean holds, String why) {
        if (!holds) {
            throw refused(why);
        }
    }
}
