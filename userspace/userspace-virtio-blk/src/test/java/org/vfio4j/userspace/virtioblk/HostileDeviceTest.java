package org.vfio4j.userspace.virtioblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENOTSUP;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.userspace.virtioblk.VirtioNumbers.*;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.RawMemory;

/** A device that breaks the rules of a queue (Virtual I/O Device 1.2, 2.7.8) costs its user that queue, and no more. */
class HostileDeviceTest {

    private static final int NOTHING = 1;

    private final FakeDisk disk = new FakeDisk();
    private VirtioBlkDriver driver;
    private VirtioBlkQueue queue;
    private int result = NOTHING;

    @BeforeEach
    void open() {
        driver = VirtioBlkDriver.open(disk, VirtioBlkOptions.DEFAULTS);
        queue = driver.queue(0);
    }

    @AfterEach
    void close() {
        driver.close();
        disk.close();
    }

    @Test
    void noticesAnIdPastTheEnd() {
        disk.completer = (q, head, written) -> disk.putUsed(q, 0x10000, written);
        assertGivenUp("descriptor 65536");
    }

    @Test
    void noticesANegativeId() {
        disk.completer = (q, head, written) -> disk.putUsed(q, -1, written);
        assertGivenUp("descriptor 4294967295");
    }

    @Test
    void noticesACompletionOfWhatIsNotInFlight() {
        disk.completer = (q, head, written) -> disk.putUsed(q, head + 1, written);
        assertGivenUp("not in flight");
    }

    @Test
    void noticesTheSameCompletionTwice() {
        disk.completer = (q, head, written) -> {
            disk.putUsed(q, head, written);
            disk.putUsed(q, head, written);
        };
        queue.read(0, 0, 512, 1);
        assertGivenUp("ahead");
    }

    @Test
    void noticesAnIndexThatJumps() {
        disk.completer = (q, head, written) -> RawMemory.putShort(disk.host(q.used) + VRING_USED_IDX, (short) 40000);
        assertGivenUp("in flight");
    }

    @Test
    void noticesMoreBytesThanThereWasRoomFor() {
        disk.completer = (q, head, written) -> disk.putUsed(q, head, -1);
        assertGivenUp("4294967295 bytes of 513");
    }

    @Test
    void tellsAMissingStatusFromSuccess() {
        disk.status = (byte) 0xff;
        assertThat(outcome()).isEqualTo(-EPROTO);
    }

    @Test
    void reportsAFailedRequestAndGoesOn() {
        disk.status = VIRTIO_BLK_S_IOERR;
        assertThat(outcome()).isEqualTo(-EIO);
        disk.status = VIRTIO_BLK_S_UNSUPP;
        assertThat(outcome()).isEqualTo(-ENOTSUP);
        disk.status = VIRTIO_BLK_S_OK;
        assertThat(outcome()).isZero();
    }

    @Test
    void endsAWaitForADeviceThatDoesNothing() {
        disk.deaf = true;
        queue.read(0, 0, 512, 1);
        queue.kick();
        assertThat(queue.await(2_000_000)).isFalse();
    }

    @Test
    void tellsThatTheDeviceHasFailed() {
        disk.deviceStatus |= VIRTIO_CONFIG_S_NEEDS_RESET;
        assertThatThrownBy(driver::check)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EIO));
    }

    @Test
    void refusesToBeUsedWhenClosed() {
        driver.close();
        assertThatThrownBy(() -> queue.read(0, 0, 512, 1)).hasMessageContaining("closed");
        assertThatThrownBy(() -> queue.poll((tag, r) -> {})).hasMessageContaining("closed");
    }

    private int outcome() {
        queue.read(0, 0, 512, 1);
        queue.kick();
        assertThat(queue.poll((tag, r) -> result = r)).isEqualTo(1);
        return result;
    }

    private void assertGivenUp(String why) {
        assertThatThrownBy(this::outcome)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EPROTO))
                .hasMessageContaining(why);
        assertThat(result).as("nothing was reported as done").isEqualTo(NOTHING);
        assertThatThrownBy(() -> queue.read(0, 0, 512, 2)).hasMessageContaining(why);
        assertThatThrownBy(queue::kick).hasMessageContaining(why);
    }
}
