package org.vfio4j.mlx5migration;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOMEM;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.function.Consumer;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioMigrationStream;
import org.vfio4j.vfio.VfioPrecopyInfo;

/**
 * A VHCA's state on its way in: takes {@link MigrationHeader records} apart, in pieces as they come, and hands each image on as soon as it
 * is whole. A record that is not known is skipped when it may be. What it holds grows with what has come, not with what a header
 * announces. Belongs to the user's thread.
 */
final class ResumingStream implements VfioMigrationStream {

    /** The longest record: far more than any image. */
    static final long MAX_RECORD_BYTES = 1 << 24;

    private static final int FIRST_BYTES = 4096;

    private final Consumer<byte[]> images;
    private final byte[] header = new byte[MigrationHeader.BYTES];
    private int headerBytes;
    private byte[] image = {};
    private int imageBytes;

    // Of the record whose header is whole.
    private boolean isImage;
    private long left;
    private boolean came;

    /** @param images takes each image; what it throws the writer gets */
    ResumingStream(Consumer<byte[]> images) {
        this.images = images;
    }

    /**
     * {@inheritDoc}
     *
     * @throws ErrnoException EOPNOTSUPP for a record that is not known and not optional, ENOMEM for one that is too long; EINVAL for
     *     one that is no image of this device's. Nothing that comes afterwards makes sense
     */
    @Override
    public void write(MemorySegment buffer, long at, int count) {
        came |= count > 0;
        int done = 0;
        while (done < count) {
            if (headerBytes < header.length) {
                int piece = Math.min(count - done, header.length - headerBytes);
                MemorySegment.copy(buffer, JAVA_BYTE, at + done, header, headerBytes, piece);
                headerBytes += piece;
                done += piece;
                if (headerBytes == header.length) {
                    begin(MigrationHeader.parse(header));
                }
            } else {
                int piece = (int) Math.min(count - done, left);
                if (isImage) {
                    append(buffer, at + done, piece);
                }
                left -= piece;
                done += piece;
            }
            if (headerBytes == header.length && left == 0) {
                end();
            }
        }
    }

    /** Whether anything has come. */
    boolean isEmpty() {
        return !came;
    }

    /** Whether it ends between two records. */
    boolean isWhole() {
        return headerBytes == 0;
    }

    @Override
    public int read(MemorySegment buffer, long at, int count) {
        throw new ErrnoException(EINVAL, "read migration data while it is written");
    }

    @Override
    public VfioPrecopyInfo precopyInfo() {
        throw new ErrnoException(EINVAL, "precopy info of a device that resumes");
    }

    @Override
    public void close() {}

    private void begin(MigrationHeader record) {
        if (Long.compareUnsigned(record.recordSize(), MAX_RECORD_BYTES) > 0) {
            throw new ErrnoException(
                    ENOMEM,
                    "migration data: a record of " + Long.toUnsignedString(record.recordSize())
                            + " bytes, the limit is " + MAX_RECORD_BYTES);
        }
        boolean known = switch (record.tag()) {
            case MigrationHeader.TAG_FW_DATA, MigrationHeader.TAG_STOP_COPY_SIZE -> true;
            default -> record.isOptional();
        };
        if (!known) {
            throw new ErrnoException(
                    EOPNOTSUPP,
                    "migration data: a record with tag " + Integer.toUnsignedLong(record.tag())
                            + ", which is not known and not optional");
        }
        // What the size of a stopped device's images was to be is for who allocates ahead.
        isImage = record.tag() == MigrationHeader.TAG_FW_DATA;
        left = record.recordSize();
        imageBytes = 0;
    }

    private void append(MemorySegment buffer, long at, int count) {
        if (image.length - imageBytes < count) {
            image = Arrays.copyOf(image, Math.max(FIRST_BYTES, Math.max(2 * image.length, imageBytes + count)));
        }
        MemorySegment.copy(buffer, JAVA_BYTE, at, image, imageBytes, count);
        imageBytes += count;
    }

    private void end() {
        headerBytes = 0;
        if (isImage) {
            images.accept(Arrays.copyOf(image, imageBytes));
        }
    }
}
