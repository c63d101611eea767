package org.vfio4j.mtty;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOMSG;

import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioMigrationStream;
import org.vfio4j.vfio.VfioPrecopyInfo;

/** A card's state on its way out: first its header, and the whole of it once the card has stopped. Belongs to the user's thread. */
final class SavingStream implements VfioMigrationStream {

    private byte[] bytes;
    private boolean whole;
    private int position;

    SavingStream(byte[] header) {
        this.bytes = header;
    }

    /** @param state all of it, which begins as the header does */
    void finish(byte[] state) {
        bytes = state;
        whole = true;
    }

    @Override
    public int read(MemorySegment buffer, long at, int count) {
        int piece = Math.min(count, bytes.length - position);
        if (piece == 0 && !whole) {
            throw new ErrnoException(ENOMSG, "read migration data: nothing more until the device stops");
        }
        MemorySegment.copy(bytes, position, buffer, JAVA_BYTE, at, piece);
        position += piece;
        return piece;
    }

    @Override
    public void write(MemorySegment buffer, long at, int count) {
        throw new ErrnoException(EINVAL, "write migration data while it is read");
    }

    @Override
    public VfioPrecopyInfo precopyInfo() {
        return new VfioPrecopyInfo(false, bytes.length - position, 0);
    }

    @Override
    public void close() {}
}
