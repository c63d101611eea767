package org.vfio4j.serialcard;

import static org.vfio4j.sys.Errno.EINVAL;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.zip.CRC32C;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.sys.ErrnoException;

/**
 * The state of a serial card as it moves: the header of the kernel's mtty sample (u64 magic, u32 major version, u32 minor version,
 * u32 ports, u32 flags), the ports, and a u32 CRC-32C of all before it; little-endian. The ports differ from the sample's, which
 * have one FIFO for both ways: hence major version 2.
 *
 * <p>Belongs to the thread that accesses the function.
 */
public final class SerialCardState implements FunctionState {

    /** Of the header. */
    public static final int HEADER_BYTES = 24;

    private static final long MAGIC = 0x7e9d_0989_8c3e_2c4eL;
    private static final int MAJOR = 2;
    private static final int MINOR = 0;
    private static final int CRC_BYTES = 4;

    private final List<Uart> ports;
    private final Consumer<Boolean> suspend;

    SerialCardState(List<Uart> ports, Consumer<Boolean> suspend) {
        this.ports = ports;
        this.suspend = suspend;
    }

    @Override
    public void suspend() {
        suspend.accept(true);
    }

    @Override
    public void resume() {
        suspend.accept(false);
    }

    @Override
    public int sizeBytes() {
        return HEADER_BYTES + ports.size() * Uart.STATE_BYTES + CRC_BYTES;
    }

    /** How each state of this card begins, whatever the card does: what can be sent ahead, and looked at by {@link #checkHeader}. */
    public byte[] header() {
        return putHeader(buffer(new byte[HEADER_BYTES])).array();
    }

    /**
     * Looks at the beginning of another card's state.
     *
     * @param bytes {@link #HEADER_BYTES} or more
     * @throws ErrnoException EINVAL when this card cannot take it: not a serial card's, of another version, or with another number
     *     of ports
     */
    public void checkHeader(byte[] bytes) {
        ByteBuffer in = buffer(bytes);
        long magic = in.getLong();
        int major = in.getInt();
        int minor = in.getInt();
        int count = in.getInt();
        int flags = in.getInt();
        if (magic != MAGIC) {
            throw refused("it begins with 0x" + Long.toHexString(magic) + ", not 0x" + Long.toHexString(MAGIC));
        }
        if (major != MAJOR || minor != MINOR) {
            throw refused("version " + Integer.toUnsignedString(major) + "." + Integer.toUnsignedString(minor)
                    + ", this card reads " + MAJOR + "." + MINOR);
        }
        if (count != ports.size()) {
            throw refused(Integer.toUnsignedString(count) + " ports, this card has " + ports.size());
        }
        if (flags != 0) {
            throw refused("flags 0x" + Integer.toHexString(flags) + ", of which none is known");
        }
    }

    @Override
    public byte[] save() {
        ByteBuffer out = putHeader(buffer(new byte[sizeBytes()]));
        ports.forEach(port -> port.save(out));
        return out.putInt(crc(out.array(), out.position())).array();
    }

    @Override
    public void load(byte[] bytes) {
        if (bytes.length != sizeBytes()) {
            throw refused(bytes.length + " bytes, " + sizeBytes() + " are needed");
        }
        checkHeader(bytes);
        ByteBuffer in = buffer(bytes);
        if (in.getInt(bytes.length - CRC_BYTES) != crc(bytes, bytes.length - CRC_BYTES)) {
            throw refused("its checksum is wrong");
        }
        // On ports that nobody sees, first: nothing changes when one is refused.
        in.position(HEADER_BYTES);
        for (int i = 0; i < ports.size(); i++) {
            if (!new Uart(() -> {}).load(in)) {
                throw refused("port " + i + " is in no state that a port can be in");
            }
        }
        in.position(HEADER_BYTES);
        ports.forEach(port -> port.load(in));
    }

    private ByteBuffer putHeader(ByteBuffer out) {
        return out.putLong(MAGIC)
                .putInt(MAJOR)
                .putInt(MINOR)
                .putInt(ports.size())
                .putInt(0);
    }

    private static ByteBuffer buffer(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static int crc(byte[] bytes, int length) {
        CRC32C crc = new CRC32C();
        crc.update(Arrays.copyOf(bytes, length));
        return (int) crc.getValue();
    }

    private static ErrnoException refused(String why) {
        return new ErrnoException(EINVAL, "state of a serial card: " + why);
    }
}
