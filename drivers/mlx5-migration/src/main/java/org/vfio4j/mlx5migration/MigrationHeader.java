package org.vfio4j.mlx5migration;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * What stands before each record of the stream (Linux, {@code struct mlx5_vf_migration_header}), little-endian:
 *
 * <pre>
 *   0               8       12      16
 *   +---------------+-------+-------+----------
 *   | record_size   | flags | tag   | data[record_size]
 *   +---------------+-------+-------+----------
 * </pre>
 *
 * @param recordSize bytes of data, unsigned
 * @param flags {@link #TAG_OPTIONAL} or 0
 * @param tag what the data is
 */
public record MigrationHeader(long recordSize, int flags, int tag) {

    public static final int BYTES = 16;

    /** MLX5_MIGF_HEADER_FLAGS_TAG_OPTIONAL: who does not know the tag may skip the record. */
    public static final int TAG_OPTIONAL = 1;

    /** MLX5_MIGF_HEADER_TAG_FW_DATA: an image for LOAD_VHCA_STATE. */
    public static final int TAG_FW_DATA = 0;

    /** MLX5_MIGF_HEADER_TAG_STOP_COPY_SIZE: 8 bytes, about how large the images of the stopped device will be. */
    public static final int TAG_STOP_COPY_SIZE = 1;

    /** Data of the latter. */
    public static final int STOP_COPY_SIZE_BYTES = 8;

    /** Reads what stands before a record, {@link #BYTES} long. */
    public static MigrationHeader parse(byte[] bytes) {
        ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        return new MigrationHeader(in.getLong(), in.getInt(), in.getInt());
    }

    /** A whole record. */
    public static byte[] record(int flags, int tag, byte[] data) {
        return ByteBuffer.allocate(BYTES + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(data.length)
                .putInt(flags)
                .putInt(tag)
                .put(data)
                .array();
    }

    /** Whether who does not know it may skip it. */
    public boolean isOptional() {
        return (flags & TAG_OPTIONAL) != 0;
    }
}
