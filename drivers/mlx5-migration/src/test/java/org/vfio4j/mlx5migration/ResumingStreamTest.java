package org.vfio4j.mlx5migration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOMEM;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.ErrnoException;

/** What the stream's reader makes of records, however they are cut. */
class ResumingStreamTest {

    private static final int UNKNOWN = 0x4711;

    private final List<byte[]> images = new ArrayList<>();
    private final ResumingStream stream = new ResumingStream(images::add);

    @Test
    void handsOnEachImageHoweverItIsCut() {
        Random random = new Random(1);
        for (int round = 0; round < 200; round++) {
            images.clear();
            List<byte[]> sent = new ArrayList<>();
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            for (int i = random.nextInt(5); i >= 0; i--) {
                byte[] image = new byte[random.nextInt(random.nextBoolean() ? 10_000 : 3)];
                random.nextBytes(image);
                sent.add(image);
                all.writeBytes(record(MigrationHeader.TAG_FW_DATA, 0, image));
                all.writeBytes(record(UNKNOWN, MigrationHeader.TAG_OPTIONAL, new byte[random.nextInt(100)]));
                all.writeBytes(record(MigrationHeader.TAG_STOP_COPY_SIZE, 1, new byte[8]));
            }
            byte[] bytes = all.toByteArray();
            int at = 0;
            while (at < bytes.length) {
                int piece = Math.min(bytes.length - at, 1 + random.nextInt(random.nextBoolean() ? 3 : 5000));
                write(bytes, at, piece);
                at += piece;
            }
            assertThat(stream.isWhole()).isTrue();
            assertThat(images).usingRecursiveFieldByFieldElementComparator().isEqualTo(sent);
        }
    }

    @Test
    void readsTheHeaderThatLinuxWrites() {
        byte[] bytes = {3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 8, 9};
        write(bytes, 0, bytes.length);
        assertThat(images).singleElement().isEqualTo(new byte[] {7, 8, 9});
        assertThat(MigrationHeader.record(1, 0, new byte[] {7, 8, 9})).isEqualTo(bytes);
    }

    @Test
    void refusesARecordThatIsNotKnownUnlessItIsOptional() {
        writeAll(record(UNKNOWN, MigrationHeader.TAG_OPTIONAL, new byte[20]));
        assertErrno(EOPNOTSUPP, () -> writeAll(record(UNKNOWN, 0, new byte[20])));
        assertThat(images).isEmpty();
    }

    @Test
    void refusesARecordThatIsTooLongWithoutMakingRoom() {
        for (long size : new long[] {ResumingStream.MAX_RECORD_BYTES + 1, Long.MAX_VALUE, -1}) {
            byte[] header = ByteBuffer.allocate(MigrationHeader.BYTES)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(size)
                    .array();
            ResumingStream fresh = new ResumingStream(images::add);
            assertErrno(ENOMEM, () -> fresh.write(MemorySegment.ofArray(header), 0, header.length));
        }
    }

    @Test
    void knowsWhetherItEndsBetweenRecords() {
        assertThat(stream.isEmpty()).isTrue();
        assertThat(stream.isWhole()).isTrue();
        byte[] bytes = record(MigrationHeader.TAG_FW_DATA, 0, new byte[5]);
        for (int i = 0; i < bytes.length; i++) {
            write(bytes, i, 1);
            assertThat(stream.isWhole()).isEqualTo(i == bytes.length - 1);
        }
        assertThat(stream.isEmpty()).isFalse();
    }

    @Test
    void theWriterGetsWhatAnImageIsRefusedWith() {
        ResumingStream refusing = new ResumingStream(image -> {
            throw new ErrnoException(EINVAL, "no image");
        });
        byte[] bytes = record(MigrationHeader.TAG_FW_DATA, 0, new byte[5]);
        assertErrno(EINVAL, () -> refusing.write(MemorySegment.ofArray(bytes), 0, bytes.length));
        assertErrno(EINVAL, () -> stream.read(MemorySegment.ofArray(bytes), 0, 1));
        assertErrno(EINVAL, stream::precopyInfo);
    }

    private static void assertErrno(int errno, Runnable call) {
        assertThatThrownBy(call::run)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }

    private static byte[] record(int tag, int flags, byte[] data) {
        return MigrationHeader.record(flags, tag, data);
    }

    private void writeAll(byte[] bytes) {
        write(bytes, 0, bytes.length);
    }

    private void write(byte[] bytes, int at, int count) {
        stream.write(MemorySegment.ofArray(bytes), at, count);
    }
}
