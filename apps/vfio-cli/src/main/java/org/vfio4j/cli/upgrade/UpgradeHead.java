package org.vfio4j.cli.upgrade;

import static org.vfio4j.sys.Errno.EINVAL;

import java.nio.ByteBuffer;
import org.vfio4j.sys.ErrnoException;

/**
 * What is said before the devices that move.
 *
 * @param devices how many follow
 * @param sinceNs when the first of them was told to stop, as {@link System#nanoTime} of any process here
 */
record UpgradeHead(int devices, long sinceNs) {

    private static final int SIZEOF = Integer.BYTES + Long.BYTES;

    byte[] toBytes() {
        return ByteBuffer.allocate(SIZEOF).putInt(devices).putLong(sinceNs).array();
    }

    /** @throws ErrnoException EINVAL when it is none */
    static UpgradeHead parse(byte[] bytes) {
        if (bytes.length != SIZEOF) {
            throw new ErrnoException(
                    EINVAL,
                    "take over: what the other process says first has " + bytes.length + " bytes, not " + SIZEOF);
        }
        ByteBuffer in = ByteBuffer.wrap(bytes);
        return new UpgradeHead(in.getInt(), in.getLong());
    }
}
