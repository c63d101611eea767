package org.vfio4j.mlx5migration;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOMSG;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import org.vfio4j.mlx5.Mlx5Firmware;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioMigrationStream;
import org.vfio4j.vfio.VfioPrecopyInfo;

/**
 * A VHCA's state on its way out: {@link MigrationHeader records}, first the size that is to be expected, then images. In PRE_COPY the
 * first image has the whole state, and asking for {@link #precopyInfo} adds one of what has changed since, once the user has read all that there
 * was. Belongs to the user's thread.
 */
final class SavingStream implements VfioMigrationStream {

    private final Mlx5Firmware firmware;
    private final int vhcaId;
    private final ArrayDeque<byte[]> records = new ArrayDeque<>();

    // Of the first record.
    private int position;
    private long queuedBytes;
    private long readBytes;
    private final long initialBytes;
    private boolean complete;

    /** @param track whether the device runs, and images of what it changes follow the first */
    SavingStream(Mlx5Firmware firmware, int vhcaId, boolean track) {
        this.firmware = firmware;
        this.vhcaId = vhcaId;
        int stopCopySize = firmware.queryVhcaMigrationState(vhcaId, false).requiredUmemSize();
        byte[] image = firmware.saveVhcaState(vhcaId, false, track);
        byte[] size = ByteBuffer.allocate(MigrationHeader.STOP_COPY_SIZE_BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(stopCopySize)
                .array();
        add(MigrationHeader.TAG_OPTIONAL, MigrationHeader.TAG_STOP_COPY_SIZE, size);
        add(0, MigrationHeader.TAG_FW_DATA, image);
        initialBytes = track ? queuedBytes : 0;
        complete = !track;
    }

    /** The device has stopped: the last image is what has changed since the one before. */
    void finish() {
        add(0, MigrationHeader.TAG_FW_DATA, firmware.saveVhcaState(vhcaId, true, false));
        complete = true;
    }

    /** What has been saved and not been read. */
    long remaining() {
        return queuedBytes - readBytes;
    }

    @Override
    public int read(MemorySegment buffer, long at, int count) {
        int done = 0;
        while (done < count && !records.isEmpty()) {
            byte[] record = records.getFirst();
            int piece = Math.min(count - done, record.length - position);
            MemorySegment.copy(record, position, buffer, JAVA_BYTE, at + done, piece);
            done += piece;
            position += piece;
            if (position == record.length) {
                records.removeFirst();
                position = 0;
            }
        }
        readBytes += done;
        if (done == 0 && !complete) {
            throw new ErrnoException(ENOMSG, "read migration data: there is no more for now");
        }
        return done;
    }

    @Override
    public void write(MemorySegment buffer, long at, int count) {
        throw new ErrnoException(EINVAL, "write migration data while it is read");
    }

    @Override
    public VfioPrecopyInfo precopyInfo() {
        if (readBytes < initialBytes) {
            return new VfioPrecopyInfo(false, initialBytes - readBytes, 0);
        }
        if (remaining() == 0 && firmware.queryVhcaMigrationState(vhcaId, true).requiredUmemSize() > 0) {
            add(0, MigrationHeader.TAG_FW_DATA, firmware.saveVhcaState(vhcaId, true, true));
        }
        return new VfioPrecopyInfo(false, 0, remaining());
    }

    @Override
    public void close() {}

    private void add(int flags, int tag, byte[] data) {
        byte[] record = MigrationHeader.record(flags, tag, data);
        records.addLast(record);
        queuedBytes += record.length;
    }
}
