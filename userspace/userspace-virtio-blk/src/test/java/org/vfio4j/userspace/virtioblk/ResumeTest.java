package org.vfio4j.userspace.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.userspace.virtioblk.VirtioNumbers.VIRTIO_RING_F_INDIRECT_DESC;
import static org.vfio4j.userspace.virtioblk.VirtioNumbers.feature;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MemFd;
import org.vfio4j.userspace.dma.DmaMemory;

/** A driver that goes on where another was, in the same memory. */
class ResumeTest {

    private static final long IOVA = 1L << 32;
    private static final long BYTES = 4 << 20;
    private static final VirtioBlkOptions OPTIONS = VirtioBlkOptions.DEFAULTS.withQueueSize(16);

    private final FakeDisk disk = new FakeDisk();
    private final Fd fd = MemFd.create("resume", BYTES);
    private final Mapping mapping = Mapping.shared(fd, 0, BYTES, Mapping.PROT_READ | Mapping.PROT_WRITE);

    @BeforeEach
    void map() {
        disk.dmaMap(IOVA, BYTES, DmaSpace.READ | DmaSpace.WRITE, fd, 0);
    }

    @AfterEach
    void close() {
        disk.close();
        mapping.close();
        fd.close();
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void whatWasInFlightCompletesThere(boolean indirect) {
        if (!indirect) {
            disk.features &= ~feature(VIRTIO_RING_F_INDIRECT_DESC);
        }
        VirtioBlkDriver first = VirtioBlkDriver.open(disk, memory(), OPTIONS);
        long buffer = first.memory().allocate(2048, 512);
        first.memory().segment(buffer, 512).fill((byte) 7);
        VirtioBlkQueue queue = first.queue(0);
        assertThat(queue.write(512, buffer, 512, 41)).isTrue();
        queue.kick();
        // Made, and not shown to the disk.
        assertThat(queue.read(512, buffer + 512, 512, 42)).isTrue();
        byte[] state = first.save();
        first.forget();

        VirtioBlkDriver second = VirtioBlkDriver.resume(disk, memory(), state, OPTIONS);
        assertThat(second.capacityBytes()).isEqualTo(first.capacityBytes());
        assertThat(second.serial()).isEqualTo(first.serial());
        assertThat(second.memory().allocatedBytes()).isEqualTo(buffer + 2048);
        assertThat(second.queue(0).inFlight()).isEqualTo(2);
        assertThat(completed(second)).containsExactly("41: 0");
        second.queue(0).kick();
        assertThat(completed(second)).containsExactly("42: 0");
        assertThat(second.memory()
                        .segment(buffer + 512, 512)
                        .mismatch(second.memory().segment(buffer, 512)))
                .isEqualTo(-1);
        // All slots are there again.
        for (int i = 0; i < second.queue(0).depth(); i++) {
            assertThat(second.queue(0).read(0, buffer, 512, i)).isTrue();
        }
        assertThat(second.queue(0).read(0, buffer, 512, 99)).isFalse();
        second.queue(0).kick();
        assertThat(completed(second)).hasSize(second.queue(0).depth());
        second.close();
    }

    @Test
    void refusesAStateThatNoDriverGives() {
        VirtioBlkDriver first = VirtioBlkDriver.open(disk, memory(), OPTIONS);
        first.queue(0).read(0, first.memory().allocate(512, 512), 512, 1);
        byte[] state = first.save();
        for (int length = 0; length < state.length; length++) {
            byte[] cut = Arrays.copyOf(state, length);
            assertThatThrownBy(() -> VirtioBlkDriver.resume(disk, memory(), cut, OPTIONS))
                    .isInstanceOfSatisfying(
                            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EINVAL));
        }
        Random random = new Random(3);
        for (int i = 0; i < 2000; i++) {
            byte[] changed = state.clone();
            changed[random.nextInt(changed.length)] = (byte) random.nextInt();
            try {
                VirtioBlkDriver resumed = VirtioBlkDriver.resume(disk, memory(), changed, OPTIONS);
                completed(resumed);
                resumed.forget();
            } catch (ErrnoException e) {
                assertThat(e.errno()).isPositive();
            }
        }
        first.close();
    }

    @Test
    void tellsWhetherADiskFits() {
        VirtioBlkDriver first = VirtioBlkDriver.open(disk, memory(), OPTIONS);
        byte[] state = first.save();
        first.close();
        VirtioBlkDriver.checkFits(disk, state);
        disk.features &= ~feature(VIRTIO_RING_F_INDIRECT_DESC);
        assertThatThrownBy(() -> VirtioBlkDriver.checkFits(disk, state)).hasMessageContaining("features 0x10000000");
    }

    private DmaMemory memory() {
        return DmaMemory.of(IOVA, mapping.segment());
    }

    private static List<String> completed(VirtioBlkDriver driver) {
        List<String> completed = new ArrayList<>();
        driver.queue(0).poll((tag, result) -> completed.add(tag + ": " + result));
        return completed;
    }
}
