package org.vfio4j.userspace.vmm;

import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.sys.Errno.EPROTONOSUPPORT;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.vfio4j.sys.ErrnoException;

/**
 * What a source says first: all that decides whether the guest fits.
 *
 * @param guestKind which {@link GuestLoader} knows it
 * @param shape what it depends on in its device
 * @param config the device's configuration space
 * @param migrationFlags {@code VFIO_MIGRATION_*} of its device
 * @param ranges its memory
 * @param disks those of its disks that come along; none when their storage is shared
 */
record MigrationHello(
        String guestKind,
        byte[] shape,
        byte[] config,
        long migrationFlags,
        List<GuestMemory.Range> ranges,
        List<Disk> disks) {

    static final int MAX_BYTES = 1 << 20;

    private static final long MAGIC = 0x6d_6a_34_6f_69_66_76L;
    private static final int VERSION = 2;
    private static final int MAX_PIECE = 256 << 10;
    private static final int MAX_DISKS = 1024;

    /**
     * The storage of a disk.
     *
     * @param sizeBytes a multiple of {@value #SECTOR_BYTES}
     * @param blockBytes of what is sent of it at the least, a power of two
     */
    record Disk(long sizeBytes, int blockBytes) {

        private static final int SECTOR_BYTES = 512;
        private static final long MAX_BLOCKS = 1 << 24;

        /** @throws ErrnoException EPROTO for what is no disk */
        Disk {
            boolean whole = sizeBytes > 0 && sizeBytes % SECTOR_BYTES == 0;
            boolean blocks = blockBytes >= SECTOR_BYTES
                    && blockBytes <= MigrationFrame.MAX_STORAGE_BYTES
                    && Integer.bitCount(blockBytes) == 1;
            if (!whole || !blocks || (sizeBytes - 1) / blockBytes >= MAX_BLOCKS) {
                throw new ErrnoException(
                        EPROTO,
                        "migration: a disk of " + sizeBytes + " bytes in blocks of " + blockBytes + ": at most "
                                + MAX_BLOCKS + " blocks, of at most " + MigrationFrame.MAX_STORAGE_BYTES);
            }
        }

        long blocks() {
            return (sizeBytes - 1) / blockBytes + 1;
        }

        /** Whether a range is whole blocks of it, of which the last may be cut short. */
        boolean hasBlocks(long offset, long length) {
            boolean inside = offset >= 0 && length > 0 && length <= sizeBytes && offset <= sizeBytes - length;
            return inside && offset % blockBytes == 0 && (length % blockBytes == 0 || offset + length == sizeBytes);
        }
    }

    MigrationHello {
        ranges = List.copyOf(ranges);
        disks = List.copyOf(disks);
    }

    byte[] toBytes() {
        byte[] kind = guestKind.getBytes(StandardCharsets.UTF_8);
        int size = 2 * Long.BYTES
                + 7 * Integer.BYTES
                + kind.length
                + shape.length
                + config.length
                + ranges.size() * 2 * Long.BYTES
                + disks.size() * (Long.BYTES + Integer.BYTES);
        ByteBuffer to = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        to.putLong(MAGIC).putInt(VERSION).putInt(GuestMemory.PAGE_BYTES).putLong(migrationFlags);
        to.putInt(kind.length).put(kind);
        to.putInt(shape.length).put(shape);
        to.putInt(config.length).put(config);
        to.putInt(ranges.size());
        ranges.forEach(range -> to.putLong(range.iova()).putLong(range.sizeBytes()));
        to.putInt(disks.size());
        disks.forEach(disk -> to.putLong(disk.sizeBytes()).putInt(disk.blockBytes()));
        return to.array();
    }

    /**
     * @throws ErrnoException EPROTO for what is none; EPROTONOSUPPORT for another version; E2BIG and EINVAL for memory that no guest has
     */
    static MigrationHello parse(byte[] bytes) {
        ByteBuffer from = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        try {
            if (from.getLong() != MAGIC) {
                throw new ErrnoException(EPROTO, "migration: the other side does not speak this protocol");
            }
            int version = from.getInt();
            int pageBytes = from.getInt();
            if (version != VERSION || pageBytes != GuestMemory.PAGE_BYTES) {
                throw new ErrnoException(
                        EPROTONOSUPPORT,
                        "migration: version " + version + " with pages of " + pageBytes + " bytes: this is version "
                                + VERSION + " with pages of " + GuestMemory.PAGE_BYTES);
            }
            long flags = from.getLong();
            String kind = new String(piece(from), StandardCharsets.UTF_8);
            byte[] shape = piece(from);
            byte[] config = piece(from);
            int count = from.getInt();
            if (count < 0 || count > GuestMemory.MAX_RANGES) {
                throw new ErrnoException(
                        EPROTO, "migration: " + count + " ranges of memory: the limit is " + GuestMemory.MAX_RANGES);
            }
            List<GuestMemory.Range> ranges = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                ranges.add(new GuestMemory.Range(from.getLong(), from.getLong()));
            }
            GuestMemory.check(ranges);
            return new MigrationHello(kind, shape, config, flags, ranges, disks(from));
        } catch (BufferUnderflowException e) {
            throw new ErrnoException(EPROTO, "migration: a HELLO that ends after " + bytes.length + " bytes");
        }
    }

    private static List<Disk> disks(ByteBuffer from) {
        int count = from.getInt();
        if (count < 0 || count > MAX_DISKS) {
            throw new ErrnoException(EPROTO, "migration: " + count + " disks: the limit is " + MAX_DISKS);
        }
        List<Disk> disks = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            disks.add(new Disk(from.getLong(), from.getInt()));
        }
        return disks;
    }

    private static byte[] piece(ByteBuffer from) {
        int length = from.getInt();
        if (length < 0 || length > Math.min(MAX_PIECE, from.remaining())) {
            throw new ErrnoException(EPROTO, "migration: a HELLO with " + length + " bytes of " + from.remaining());
        }
        byte[] bytes = new byte[length];
        from.get(bytes);
        return bytes;
    }
}
