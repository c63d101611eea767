package org.vfio4j.mtty;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.vfio4j.sys.Errno.EINVAL;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import org.vfio4j.serialcard.SerialCardState;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioMigrationStream;
import org.vfio4j.vfio.VfioPrecopyInfo;

/** A card's state on its way in, whose header is looked at as soon as it is there. Belongs to the user's thread. */
final class ResumingStream implements VfioMigrationStream {

    private final SerialCardState card;
    private final ByteArrayOutputStream received = new ByteArrayOutputStream();

    /** @param card what takes it over */
    ResumingStream(SerialCardState card) {
        this.card = card;
    }

    boolean isEmpty() {
        return received.size() == 0;
    }

    byte[] bytes() {
        return received.toByteArray();
    }

    @Override
    public int read(MemorySegment buffer, long at, int count) {
        throw new ErrnoException(EINVAL, "read migration data while it is written");
    }

    @Override
    public void write(MemorySegment buffer, long at, int count) {
        int before = received.size();
        if (count > card.sizeBytes() - before) {
            throw new ErrnoException(
                    EINVAL,
                    "migration data: " + (before + (long) count) + " bytes, this card takes " + card.sizeBytes());
        }
        received.writeBytes(buffer.asSlice(at, count).toArray(JAVA_BYTE));
        if (before < SerialCardState.HEADER_BYTES && received.size() >= SerialCardState.HEADER_BYTES) {
            card.checkHeader(received.toByteArray());
        }
    }

    @Override
    public VfioPrecopyInfo precopyInfo() {
        throw new ErrnoException(EINVAL, "precopy info of a device that takes over a state");
    }

    @Override
    public void close() {}
}
