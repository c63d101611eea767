package org.vfio4j.userspace.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/** What comes for a disk is believed nowhere: it is whole blocks of it, or nothing is written. */
class StorageReceiverTest {

    private static final int BLOCK = 4096;

    /** Its last block is cut short. */
    private static final MigrationHello.Disk SHAPE = new MigrationHello.Disk(10 * BLOCK + 512, BLOCK);

    private final Disk disk = new Disk();

    @Test
    void takesWholeBlocks() {
        StorageReceiver receiver = receive(
                frame(MigrationFrame.STORAGE, 0, 0, BLOCK),
                frame(MigrationFrame.STORAGE_ZEROES, 0, BLOCK, 8 * BLOCK),
                frame(MigrationFrame.STORAGE, 0, 9 * BLOCK, BLOCK + 512));
        assertThat(disk.done).containsExactly("write 0 4096", "zero 4096 32768", "write 36864 4608");
        receiver.checkWhole();
        receiver.sync();
        receiver.sync();
        assertThat(disk.done).endsWith("write 36864 4608", "sync").hasSize(4);
    }

    @Test
    void missesWhatHasNotCome() {
        StorageReceiver receiver = receive(frame(MigrationFrame.STORAGE, 0, 0, 10 * BLOCK));
        assertThatThrownBy(receiver::checkWhole).hasMessageContaining("1 blocks of disk 0 have not come");
    }

    @Test
    void refusesWhatIsNoBlockOfIt() {
        long[][] wrong = {
            {0, 512, BLOCK},
            {0, 0, 512},
            {0, 0, 0},
            {0, 10 * BLOCK, BLOCK},
            {0, 11 * BLOCK, BLOCK},
            {0, -BLOCK, BLOCK},
            {0, 0, Long.MAX_VALUE},
            {0, Long.MAX_VALUE - BLOCK + 1, BLOCK},
            {1, 0, BLOCK},
            {-1, 0, BLOCK},
        };
        for (long[] each : wrong) {
            for (int type : new int[] {MigrationFrame.STORAGE, MigrationFrame.STORAGE_ZEROES}) {
                assertThatThrownBy(() -> receive(header(type, (int) each[0], each[1], each[2])))
                        .isInstanceOfSatisfying(
                                ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EPROTO));
            }
        }
        assertThat(disk.done).isEmpty();
    }

    @Test
    void refusesADiskThatIsNone() {
        for (long size : new long[] {0, -512, 513, Long.MAX_VALUE}) {
            assertThatThrownBy(() -> new MigrationHello.Disk(size, BLOCK)).isInstanceOf(ErrnoException.class);
        }
        for (int block : new int[] {0, 256, 5000, 2 << 20, Integer.MIN_VALUE}) {
            assertThatThrownBy(() -> new MigrationHello.Disk(1 << 20, block)).isInstanceOf(ErrnoException.class);
        }
        // As many blocks as nobody has.
        assertThatThrownBy(() -> new MigrationHello.Disk(1L << 40, 512)).isInstanceOf(ErrnoException.class);
    }

    private StorageReceiver receive(byte[]... frames) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] frame : frames) {
            all.writeBytes(frame);
        }
        FrameReader in = new FrameReader(new Bytes(all.toByteArray()));
        StorageReceiver receiver = new StorageReceiver(List.of(disk), in);
        receiver.meet(List.of(SHAPE));
        for (int i = 0; i < frames.length; i++) {
            in.next();
            receiver.take();
        }
        return receiver;
    }

    private static byte[] frame(int type, int index, long offset, int length) {
        byte[] header = header(type, index, offset, length);
        int data = type == MigrationFrame.STORAGE ? length : 0;
        return ByteBuffer.allocate(header.length + data).put(header).array();
    }

    private static byte[] header(int type, int index, long offset, long length) {
        return ByteBuffer.allocate(MigrationFrame.HEADER_BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(type)
                .putInt(index)
                .putLong(offset)
                .putLong(length)
                .array();
    }

    /** Notes what is done to it. */
    private static final class Disk implements TargetDisk {
        final List<String> done = new ArrayList<>();

        @Override
        public long sizeBytes() {
            return SHAPE.sizeBytes();
        }

        @Override
        public void write(long offset, MemorySegment from) {
            done.add("write " + offset + " " + from.byteSize());
        }

        @Override
        public void zero(long offset, long length) {
            done.add("zero " + offset + " " + length);
        }

        @Override
        public void sync() {
            done.add("sync");
        }
    }

    /** Says what it has. */
    private static final class Bytes implements MigrationChannel {
        private final MemorySegment stream;
        private long at;

        Bytes(byte[] stream) {
            this.stream = MemorySegment.ofArray(stream);
        }

        @Override
        public void write(List<MemorySegment> pieces) {}

        @Override
        public int read(MemorySegment into) {
            int count = (int) Math.min(into.byteSize(), stream.byteSize() - at);
            MemorySegment.copy(stream, at, into, 0, count);
            at += count;
            return count == 0 ? -1 : count;
        }

        @Override
        public void close() {}
    }
}
