package org.vfio4j.userspace.vmm;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.util.List;

/** A connection that fails when the destination would say that the guest runs. */
final class SilentAfterReady implements MigrationChannel {

    private final MigrationChannel channel;

    SilentAfterReady(MigrationChannel channel) {
        this.channel = channel;
    }

    @Override
    public void write(List<MemorySegment> pieces) {
        if (pieces.getFirst().get(JAVA_INT_UNALIGNED, MigrationFrame.TYPE) == MigrationFrame.RUNNING) {
            channel.close();
        }
        channel.write(pieces);
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
