package org.vfio4j.userspace.vmm;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.List;
import java.util.stream.Stream;

/**
 * Sends the disks of a guest: all of them at first, and then what was written since. The guest may write them meanwhile: what it changes is
 * sent again. Belongs to one thread.
 */
final class StorageSender {

    private final List<SourceDisk> disks;
    private final List<BitSet> pending;
    private final FrameWriter out;
    private final Runnable checkpoint;
    private final MemorySegment buffer = Arena.ofAuto().allocate(MigrationFrame.MAX_STORAGE_BYTES, Long.BYTES);

    /** How much of the buffer waits to be sent: many short runs go with one call. */
    private long used;

    /** @param checkpoint called between pieces; throws when the migration shall end */
    StorageSender(List<SourceDisk> disks, FrameWriter out, Runnable checkpoint) {
        this.disks = List.copyOf(disks);
        this.out = out;
        this.checkpoint = checkpoint;
        pending = Stream.generate(BitSet::new).limit(disks.size()).toList();
        for (int i = 0; i < disks.size(); i++) {
            pending.get(i).set(0, blocks(this.disks.get(i)));
        }
    }

    /** What the other side is to know of them. */
    List<MigrationHello.Disk> shapes() {
        return disks.stream()
                .map(disk -> new MigrationHello.Disk(disk.sizeBytes(), disk.blockBytes()))
                .toList();
    }

    /** Adds what was written since the last time to what is to be sent. */
    void collect() {
        for (int i = 0; i < disks.size(); i++) {
            disks.get(i).takeWritten(pending.get(i)::set);
        }
    }

    /** How much is to be sent. */
    long bytes() {
        long bytes = 0;
        for (int i = 0; i < disks.size(); i++) {
            bytes += (long) pending.get(i).cardinality() * disks.get(i).blockBytes();
        }
        return bytes;
    }

    /** Sends what is to be sent. */
    void send() {
        for (int i = 0; i < disks.size(); i++) {
            send(i, disks.get(i), pending.get(i));
        }
        flush();
    }

    private void flush() {
        out.flush();
        used = 0;
    }

    private void send(int index, SourceDisk disk, BitSet blocks) {
        int most = MigrationFrame.MAX_STORAGE_BYTES / disk.blockBytes();
        int from = blocks.nextSetBit(0);
        while (from >= 0) {
            int to = Math.min(blocks.nextClearBit(from), from + most);
            checkpoint.run();
            long offset = (long) from * disk.blockBytes();
            sendPiece(index, disk, offset, Math.min((long) to * disk.blockBytes(), disk.sizeBytes()) - offset);
            blocks.clear(from, to);
            from = blocks.nextSetBit(to);
        }
    }

    /** Runs of blocks that are zero, and of such that are not. */
    private void sendPiece(int index, SourceDisk disk, long offset, long length) {
        if (length > buffer.byteSize() - used) {
            flush();
        }
        MemorySegment piece = buffer.asSlice(used, length);
        used += length;
        disk.read(offset, piece);
        int step = disk.blockBytes();
        long from = 0;
        while (from < length) {
            boolean zero = Zeroes.fill(piece, from, Math.min(step, length - from));
            long to = Math.min(length, from + step);
            while (to < length && Zeroes.fill(piece, to, Math.min(step, length - to)) == zero) {
                to = Math.min(length, to + step);
            }
            if (zero) {
                out.put(MigrationFrame.STORAGE_ZEROES, index, offset + from, to - from);
            } else {
                out.put(MigrationFrame.STORAGE, index, offset + from, piece.asSlice(from, to - from));
            }
            from = to;
        }
    }

    private static int blocks(SourceDisk disk) {
        return Math.toIntExact(new MigrationHello.Disk(disk.sizeBytes(), disk.blockBytes()).blocks());
    }
}
