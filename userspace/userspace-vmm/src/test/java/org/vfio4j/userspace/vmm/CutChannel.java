package org.vfio4j.userspace.vmm;

import java.lang.foreign.MemorySegment;
import java.util.List;

/** A connection that fails after so many bytes were sent. */
final class CutChannel implements MigrationChannel {

    private final MigrationChannel channel;
    private long left;

    CutChannel(MigrationChannel channel, long bytes) {
        this.channel = channel;
        left = bytes;
    }

    @Override
    public void write(List<MemorySegment> pieces) {
        for (MemorySegment piece : pieces) {
            long count = Math.min(left, piece.byteSize());
            if (count > 0) {
                channel.write(List.of(piece.asSlice(0, count)));
            }
            left -= count;
            if (count < piece.byteSize()) {
                channel.close();
                channel.write(List.of(piece));
            }
        }
    }

    @Override
    public int read(MemorySegment into) {
        return channel.read(into);
    }

    @Override
    public void close() {
        channel.close();
    }
}
