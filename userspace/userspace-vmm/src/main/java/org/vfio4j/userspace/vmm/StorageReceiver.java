package org.vfio4j.userspace.vmm;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EPROTO;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.List;
import java.util.stream.Stream;
import org.vfio4j.sys.ErrnoException;

/** Fills the disks of a guest that comes with what the other side sends of them. Belongs to one thread. */
final class StorageReceiver {

    /** So much waits in the page cache at most, so that the end of a round need not wait for long. */
    private static final long UNSYNCED_BYTES = 64L << 20;

    private final List<TargetDisk> disks;
    private final FrameReader in;
    private final List<BitSet> received;
    private final MemorySegment buffer = Arena.ofAuto().allocate(MigrationFrame.MAX_STORAGE_BYTES, Long.BYTES);
    private List<MigrationHello.Disk> shapes = List.of();
    private long unsyncedBytes;

    StorageReceiver(List<TargetDisk> disks, FrameReader in) {
        this.disks = List.copyOf(disks);
        this.in = in;
        received = Stream.generate(BitSet::new).limit(disks.size()).toList();
    }

    /** @throws ErrnoException EINVAL when what the other side wants to send is not what there is room for */
    void meet(List<MigrationHello.Disk> theirs) {
        if (theirs.isEmpty() != disks.isEmpty()) {
            throw refused(
                    theirs.isEmpty()
                            ? "its storage does not come along, and is to here (--storage=copy, there)"
                            : "its storage comes along, and is to be shared here (--storage=copy, here)");
        }
        if (theirs.size() != disks.size()) {
            throw refused("it has " + theirs.size() + " disks, and here are " + disks.size());
        }
        for (int i = 0; i < disks.size(); i++) {
            if (theirs.get(i).sizeBytes() != disks.get(i).sizeBytes()) {
                throw refused("its disk " + i + " has " + theirs.get(i).sizeBytes() + " bytes, and the one here "
                        + disks.get(i).sizeBytes());
            }
        }
        shapes = theirs;
    }

    /** A STORAGE or STORAGE_ZEROES has come. */
    void take() {
        int index = in.index();
        if (index < 0 || index >= shapes.size()) {
            throw new ErrnoException(
                    EPROTO,
                    "migration: a " + MigrationFrame.name(in.type()) + " for disk " + Integer.toUnsignedString(index)
                            + " of " + shapes.size());
        }
        MigrationHello.Disk shape = shapes.get(index);
        long offset = in.value();
        long length = in.length();
        boolean data = in.type() == MigrationFrame.STORAGE;
        if (!shape.hasBlocks(offset, length) || (data && length > MigrationFrame.MAX_STORAGE_BYTES)) {
            throw new ErrnoException(
                    EPROTO,
                    "migration: a " + MigrationFrame.name(in.type()) + " of " + length + " bytes at " + offset
                            + " of disk " + index + ", which has " + shape.sizeBytes() + " in blocks of "
                            + shape.blockBytes());
        }
        if (data) {
            MemorySegment piece = buffer.asSlice(0, length);
            in.read(piece);
            disks.get(index).write(offset, piece);
        } else {
            disks.get(index).zero(offset, length);
        }
        received.get(index).set((int) (offset / shape.blockBytes()), (int)
                ((offset + length + shape.blockBytes() - 1) / shape.blockBytes()));
        unsyncedBytes += length;
        if (unsyncedBytes >= UNSYNCED_BYTES) {
            sync();
        }
    }

    /** Makes stable what has come. */
    void sync() {
        if (unsyncedBytes > 0) {
            disks.forEach(TargetDisk::sync);
            unsyncedBytes = 0;
        }
    }

    /** @throws ErrnoException EPROTO when there are blocks that have never come */
    void checkWhole() {
        for (int i = 0; i < shapes.size(); i++) {
            long missing = shapes.get(i).blocks() - received.get(i).cardinality();
            if (missing != 0) {
                throw new ErrnoException(EPROTO, "migration: " + missing + " blocks of disk " + i + " have not come");
            }
        }
    }

    private static ErrnoException refused(String why) {
        return new ErrnoException(EINVAL, "migration: the guest does not fit: " + why);
    }
}
