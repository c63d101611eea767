package org.vfio4j.mlx5vfiopci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.mlx5vfiopci.SnapBindingTest.assertErrno;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;
import static org.vfio4j.vfio.VfioMigrationState.ERROR;
import static org.vfio4j.vfio.VfioMigrationState.PRE_COPY;
import static org.vfio4j.vfio.VfioMigrationState.RESUMING;
import static org.vfio4j.vfio.VfioMigrationState.RUNNING;
import static org.vfio4j.vfio.VfioMigrationState.STOP;
import static org.vfio4j.vfio.VfioMigrationState.STOP_COPY;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.mlx5migration.MigrationHeader;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.virtioblk.VirtioBlk;

/** A stream that is no state of such a device leaves it in ERROR, out of which a reset leads, and changes nothing else. */
class FailedLoadTest {

    private static final int SIZE_RECORD_BYTES = MigrationHeader.BYTES + MigrationHeader.STOP_COPY_SIZE_BYTES;

    private final MemoryBackend storage = new MemoryBackend(1 << 20);
    private final Host host = new Host();
    private final VfioDeviceFile file;

    FailedLoadTest() {
        host.addDisk(storage);
        file = host.open();
    }

    @AfterEach
    void close() {
        host.close();
        storage.close();
    }

    @Test
    void takesAStreamInPieces() {
        byte[] stream = Vmm.save(file);
        Vmm.go(file, RESUMING);
        for (int i = 0; i < stream.length; i++) {
            file.migrationWrite(MemorySegment.ofArray(stream), i, 1);
        }
        Vmm.go(file, RUNNING);
        assertThat(Vmm.save(file)).isEqualTo(stream);
    }

    @Test
    void refusesEveryStreamThatIsCut() {
        byte[] stream = Vmm.save(file);
        for (int length = 1; length < stream.length; length++) {
            byte[] cut = Arrays.copyOf(stream, length);
            Vmm.go(file, RESUMING);
            Vmm.writeAll(file, cut);
            if (length == SIZE_RECORD_BYTES) {
                // Whole records, but nothing has begun: the state is what it was.
                Vmm.go(file, STOP);
            } else {
                assertErrno(EINVAL, () -> Vmm.go(file, STOP));
                assertThat(Vmm.state(file)).isEqualTo(ERROR);
                assertErrno(EINVAL, () -> Vmm.go(file, RUNNING));
            }
            file.reset();
            assertThat(Vmm.state(file)).isEqualTo(RUNNING);
        }
    }

    @Test
    void refusesDamageInAnImage() {
        byte[] stream = Vmm.save(file);
        Random random = new Random(5);
        for (int i = 0; i < 500; i++) {
            byte[] damaged = stream.clone();
            int at = SIZE_RECORD_BYTES
                    + MigrationHeader.BYTES
                    + random.nextInt(stream.length - SIZE_RECORD_BYTES - MigrationHeader.BYTES);
            damaged[at] ^= (byte) (1 << random.nextInt(Byte.SIZE));
            Vmm.go(file, RESUMING);
            assertErrno(EINVAL, () -> Vmm.writeAll(file, damaged));
            assertThat(Vmm.state(file)).isEqualTo(ERROR);
            file.reset();
        }
    }

    @Test
    void bearsNoise() {
        byte[] stream = Vmm.save(file);
        Random random = new Random(6);
        for (int i = 0; i < 2000; i++) {
            byte[] bytes = stream.clone();
            for (int j = random.nextInt(8); j >= 0; j--) {
                bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
            }
            Vmm.go(file, RESUMING);
            try {
                Vmm.writeAll(file, bytes);
                Vmm.go(file, RUNNING);
            } catch (ErrnoException e) {
                assertThat(Vmm.state(file)).isEqualTo(ERROR);
            }
            file.reset();
        }
        assertThat(Vmm.save(file)).isEqualTo(stream);
    }

    @Test
    void skipsWhatIsOptionalAndRefusesWhatIsNot() {
        byte[] stream = Vmm.save(file);
        byte[] optional = MigrationHeader.record(MigrationHeader.TAG_OPTIONAL, 99, new byte[1000]);
        Vmm.go(file, RESUMING);
        Vmm.writeAll(file, optional);
        Vmm.writeAll(file, stream);
        Vmm.writeAll(file, optional);
        Vmm.go(file, STOP);
        Vmm.go(file, RESUMING);
        assertErrno(EOPNOTSUPP, () -> Vmm.writeAll(file, MigrationHeader.record(0, 99, new byte[0])));
        assertThat(Vmm.state(file)).isEqualTo(ERROR);
    }

    @Test
    void refusesImagesInAnotherOrder() {
        Vmm.go(file, PRE_COPY);
        byte[] first = Vmm.readAll(file);
        Vmm.go(file, STOP_COPY);
        byte[] last = Vmm.readAll(file);
        Vmm.go(file, RESUMING);
        assertErrno(EINVAL, () -> Vmm.writeAll(file, last));
        file.reset();
        Vmm.go(file, RESUMING);
        Vmm.writeAll(file, first);
        assertErrno(EINVAL, () -> Vmm.writeAll(file, first));
        file.reset();
        Vmm.go(file, RESUMING);
        Vmm.writeAll(file, first);
        // Without the last the state is not complete.
        assertErrno(EINVAL, () -> Vmm.go(file, STOP));
        file.reset();
        Vmm.go(file, RESUMING);
        Vmm.writeAll(file, first);
        Vmm.writeAll(file, last);
        Vmm.go(file, RUNNING);
    }

    @Test
    void refusesTheStateOfAnotherDisk() {
        byte[] stream = Vmm.save(file);
        try (MemoryBackend smaller = new MemoryBackend(1 << 19);
                Host other = new Host()) {
            other.addDisk(smaller);
            VfioDeviceFile its = other.open();
            Vmm.go(its, RESUMING);
            assertErrno(EINVAL, () -> Vmm.writeAll(its, stream));
            assertThat(Vmm.state(its)).isEqualTo(ERROR);
            its.reset();
            VirtioBlk disk = other.disks().get(0);
            assertThat(disk.counters().faults()).isZero();
        }
    }

    @Test
    void theStreamBeginsWithTheSizeThatIsToBeExpected() {
        long expected = Vmm.stopCopyLength(file);
        byte[] stream = Vmm.save(file);
        ByteBuffer in = ByteBuffer.wrap(stream).order(ByteOrder.LITTLE_ENDIAN);
        assertThat(in.getLong()).isEqualTo(MigrationHeader.STOP_COPY_SIZE_BYTES);
        assertThat(in.getInt()).isEqualTo(MigrationHeader.TAG_OPTIONAL);
        assertThat(in.getInt()).isEqualTo(MigrationHeader.TAG_STOP_COPY_SIZE);
        long image = in.getLong();
        assertThat(in.getLong()).isEqualTo(image);
        assertThat(in.getInt()).isZero();
        assertThat(in.getInt()).isEqualTo(MigrationHeader.TAG_FW_DATA);
        assertThat((long) in.remaining()).isEqualTo(image);
        assertThat(expected).isEqualTo(stream.length);
    }
}
