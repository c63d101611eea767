package org.vfio4j.userspace.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.userspace.virtioblk.VirtioNumbers.VIRTIO_BLK_S_IOERR;
import static org.vfio4j.userspace.virtioblk.VirtioNumbers.VIRTIO_BLK_S_OK;

import java.lang.foreign.MemorySegment;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.ErrnoException;

/** The disk for those who just want its bytes. */
class VirtioBlkDiskTest {

    private final FakeDisk fake = new FakeDisk();
    private final VirtioBlkDriver driver = VirtioBlkDriver.open(fake, VirtioBlkOptions.DEFAULTS);
    private final VirtioBlkDisk disk = new VirtioBlkDisk(driver, 0);

    @AfterEach
    void close() {
        driver.close();
        fake.close();
    }

    @Test
    void rejectsBytesThatAreNotInTheDisk() {
        assertThatThrownBy(() -> disk.read(0, MemorySegment.ofArray(new byte[100])))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EINVAL));
        assertThatThrownBy(() -> disk.write(fake.disk.length, MemorySegment.ofArray(new byte[512])))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EINVAL));
    }

    @Test
    void reportsAFailureAndGoesOn() {
        MemorySegment bytes = MemorySegment.ofArray(new byte[512]);
        fake.status = VIRTIO_BLK_S_IOERR;
        assertThatThrownBy(() -> disk.read(0, bytes))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EIO))
                .hasMessageContaining("read of 512 bytes at 0");
        assertThatThrownBy(disk::flush).hasMessageContaining("flush");
        fake.status = VIRTIO_BLK_S_OK;
        disk.read(0, bytes);
    }

    @Test
    void readsBackWhatItWrote() {
        byte[] bytes = new byte[fake.disk.length];
        new Random(1).nextBytes(bytes);
        disk.write(0, MemorySegment.ofArray(bytes));
        disk.flush();
        assertThat(fake.disk).isEqualTo(bytes);
        byte[] back = new byte[bytes.length];
        disk.read(0, MemorySegment.ofArray(back));
        assertThat(back).isEqualTo(bytes);
    }

    @Test
    void coversRangesLargerThanOneRequest() {
        byte[] bytes = new byte[fake.disk.length];
        new Random(2).nextBytes(bytes);
        disk.write(0, MemorySegment.ofArray(bytes));
        disk.writeZeroes(0, bytes.length, true);
        assertThat(fake.disk).containsOnly(0);
        disk.discard(0, bytes.length);
    }
}
