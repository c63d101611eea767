package org.vfio4j.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.FileStat;
import org.vfio4j.sys.IoUring;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MappingSet;
import org.vfio4j.sys.Poll;
import org.vfio4j.sys.RawMemory;

/**
 * A file with a polled ring beside the ordinary one, whether its device polls or not: one that does not refuses reads, after which the
 * ordinary ring has them.
 */
class FileIopollTest extends BlockQueueContract {

    private static final int BLOCK = 4096;

    @TempDir
    Path directory;

    @Override
    BlockBackend open() throws Exception {
        Path image = image();
        try {
            return new PolledFile(image);
        } catch (ErrnoException e) {
            return abort("NOT TESTED: " + e.getMessage());
        }
    }

    @Test
    void alignedRequestsKeepTheirBytes() {
        try (Mapping aligned = Mapping.anonymous(3 * BLOCK)) {
            long vector = aligned.address();
            long out = vector + BLOCK;
            long in = out + BLOCK;
            for (int i = 0; i < 64; i++) {
                RawMemory.fill(out, BLOCK, (byte) (i + 1));
                IoVecs.set(vector, 0, out, BLOCK);
                queue.writev((long) i * BLOCK, vector, 1, 0);
                assertThat(finish()).isEqualTo(Map.of(0, BLOCK));
                IoVecs.set(vector, 0, in, BLOCK);
                queue.readv((long) i * BLOCK, vector, 1, 1);
                queue.flush(2);
                assertThat(finish()).isEqualTo(Map.of(1, BLOCK, 2, 0));
                assertThat(RawMemory.getByte(in)).isEqualTo((byte) (i + 1));
                assertThat(RawMemory.getByte(in + BLOCK - 1)).isEqualTo((byte) (i + 1));
            }
        }
    }

    /** Both rings' requests come to their end, and what the device does not poll goes on in the ring that has nothing registered. */
    @Test
    void pinnedMemoryIsThatOfThePolledRing() {
        try (Mapping guest = Mapping.anonymous(2 << 20)) {
            MappingSet memory = MappingSet.EMPTY.plus(guest);
            queue.use(() -> memory);
            long out = guest.address() + BLOCK;
            long in = out + BLOCK;
            RawMemory.fill(out, BLOCK, (byte) 9);
            for (int shift = 0; shift < 2; shift++) {
                IoVecs.set(guest.address(), 0, out + shift, BLOCK);
                queue.writev(BLOCK, guest.address(), 1, 0);
                assertThat(finish()).isEqualTo(Map.of(0, BLOCK));
                IoVecs.set(guest.address(), 0, in + shift, BLOCK);
                queue.readv(BLOCK, guest.address(), 1, 1);
                assertThat(finish()).isEqualTo(Map.of(1, BLOCK));
                assertThat(RawMemory.getByte(in + shift)).isEqualTo((byte) 9);
            }
        }
    }

    /** What is polled signals nobody: whoever wants to sleep is woken as long as it is in flight, and sleeps afterwards. */
    @Test
    void nobodySleepsWhileSomethingMustBePolled() {
        try (Fd event = EventFd.create();
                Mapping aligned = Mapping.anonymous(2 * BLOCK)) {
            queue.wakeBy(event);
            queue.arm();
            assertThat(Poll.poll(event.value(), Poll.POLLIN, 0))
                    .as("nothing in flight")
                    .isZero();
            queue.disarm();
            IoVecs.set(aligned.address(), 0, aligned.address() + BLOCK, BLOCK);
            queue.writev(0, aligned.address(), 1, 0);
            queue.arm();
            assertThat(Poll.poll(event.value(), Poll.POLLIN, 0))
                    .as("a write in flight")
                    .isNotZero();
            queue.disarm();
            assertThat(finish()).isEqualTo(Map.of(0, BLOCK));
            EventFd.drain(event.value());
            queue.arm();
            assertThat(Poll.poll(event.value(), Poll.POLLIN, 0))
                    .as("all is done")
                    .isZero();
            queue.close();
            queue = backend.openQueue(DEPTH);
        }
    }

    /** As with storage that signals: also what is submitted after the decision to sleep, and until it is done. */
    @Test
    void whatIsPolledLaterWakesASleeper() {
        try (Fd event = EventFd.create();
                Mapping aligned = Mapping.anonymous(2 * BLOCK)) {
            queue.wakeBy(event);
            IoVecs.set(aligned.address(), 0, aligned.address() + BLOCK, BLOCK);
            for (int i = 0; i < 100; i++) {
                queue.arm();
                queue.writev(0, aligned.address(), 1, 0);
                queue.submit();
                int delivered = 0;
                while (delivered == 0) {
                    assertThat(Poll.poll(event.value(), Poll.POLLIN, 10_000_000_000L))
                            .isEqualTo(Poll.POLLIN);
                    EventFd.drain(event.value());
                    delivered = queue.poll((tag, result) -> {});
                }
                queue.disarm();
                EventFd.drain(event.value());
            }
            queue.close();
            queue = backend.openQueue(DEPTH);
        }
    }

    @Test
    void closingWaitsForWhatIsPolled() {
        try (Mapping aligned = Mapping.anonymous(2 * BLOCK)) {
            IoVecs.set(aligned.address(), 0, aligned.address() + BLOCK, BLOCK);
            for (int tag = 0; tag < DEPTH; tag++) {
                queue.writev((long) tag * BLOCK, aligned.address(), 1, tag);
            }
            queue.close();
            assertThat(queue.inFlight()).isZero();
            queue = backend.openQueue(DEPTH);
        }
    }

    @Test
    void isRefusedWithoutDirectAccess() throws Exception {
        Path image = image();
        ErrnoException failure = catchThrowableOfType(
                ErrnoException.class,
                () -> FileBackend.open(image, false, FileIoMode.IOPOLL, FileCaching.PAGE_CACHE)
                        .close());
        assertThat(failure.errno()).isEqualTo(EINVAL);
        assertThat(failure).hasMessageContaining(image.toString()).hasMessageContaining("takes direct access");
    }

    @Test
    void isPolledOrRefusedByName() throws Exception {
        Path image = image();
        try (FileBackend file = FileBackend.open(image, false, FileIoMode.IOPOLL, FileCaching.DIRECT)) {
            assertThat(file.describe()).endsWith("(io_uring, polled, direct)");
        } catch (ErrnoException e) {
            assertThat(e.errno()).isEqualTo(EOPNOTSUPP);
            assertThat(e).hasMessageContaining("poll for completions of " + image);
            abort("NOT TESTED: " + e.getMessage());
        }
    }

    private Path image() throws Exception {
        return Files.write(directory.resolve("disk.img"), new byte[SIZE]);
    }

    private Map<Integer, Integer> finish() {
        Map<Integer, Integer> results = new HashMap<>();
        queue.submit();
        while (queue.inFlight() > 0) {
            queue.poll(results::put);
        }
        return results;
    }

    /** As {@link FileBackend} makes it once it knows that the device polls. */
    private static final class PolledFile implements BlockBackend {

        private final FileTarget target;

        PolledFile(Path image) {
            IoUring.createPolled(1).close();
            Fd file = FileIo.open(image, FileIo.O_RDWR);
            try {
                Fd direct = FileIo.open(image, FileIo.O_RDWR | FileIo.O_DIRECT);
                target = new FileTarget(image, file, direct, false, FileStat.of(file), SIZE);
            } catch (ErrnoException e) {
                file.close();
                throw e;
            }
        }

        @Override
        public long sizeBytes() {
            return target.sizeBytes();
        }

        @Override
        public int physicalBlockBytes() {
            return BLOCK;
        }

        @Override
        public boolean readOnly() {
            return false;
        }

        @Override
        public String describe() {
            return "polled " + target.path;
        }

        @Override
        public BlockQueue openQueue(int depth) {
            return new UringQueue(target, IoUring.create(depth), IoUring.createPolled(depth), true, depth);
        }

        @Override
        public void close() {
            target.close();
        }
    }
}
