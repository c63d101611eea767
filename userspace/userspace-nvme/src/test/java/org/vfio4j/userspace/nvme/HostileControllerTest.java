package org.vfio4j.userspace.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENOSPC;
import static org.vfio4j.sys.Errno.ENOTSUP;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.sys.Errno.EROFS;
import static org.vfio4j.userspace.nvme.NvmeNumbers.CSTS_CFS;

import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.RawMemory;

/** A controller that breaks the rules of a queue costs its user that queue, and no more. */
class HostileControllerTest {

    private static final int NOTHING = 1;

    private final FakeController fake = new FakeController();
    private NvmeDriver driver;
    private NvmeQueue queue;
    private int result = NOTHING;

    @BeforeEach
    void open() {
        driver = NvmeDriver.open(fake, NvmeOptions.DEFAULTS.withQueueSize(16));
        queue = driver.queue(0);
    }

    @AfterEach
    void close() {
        driver.close();
        fake.close();
    }

    @Test
    void noticesACommandPastTheEnd() {
        fake.completer = (q, cid, r, status) -> fake.post(q, 0xffff, r, status);
        assertGivenUp("command 65535");
    }

    @Test
    void noticesACompletionOfWhatIsNotInFlight() {
        fake.completer = (q, cid, r, status) -> fake.post(q, cid + 1, r, status);
        assertGivenUp("not in flight");
    }

    @Test
    void noticesACompletionOfAnotherQueue() {
        fake.completer = (q, cid, r, status) -> fake.post(q, cid, r, status, 2);
        assertGivenUp("of queue 2");
    }

    @Test
    void noticesTheSameCompletionTwice() {
        fake.completer = (q, cid, r, status) -> {
            fake.post(q, cid, r, status);
            fake.post(q, cid, r, status);
        };
        queue.read(0, 0, 512, 1);
        queue.kick();
        // One poll takes what is in flight; the next finds the other.
        assertThat(queue.poll((tag, r) -> result = r)).isEqualTo(1);
        assertThatThrownBy(() -> queue.poll((tag, r) -> {})).hasMessageContaining("not in flight");
    }

    @Test
    void noticesACompletionOfWhatTheControllerWasNotShown() {
        queue.read(0, 0, 512, 1);
        fake.post(fake.queues.get(1), 0, 0, 0);
        assertThatThrownBy(() -> queue.poll((tag, r) -> {})).hasMessageContaining("not in flight");
    }

    @Test
    void noticesPhasesThatAreAllTurnedAtOnce() {
        fake.completer = (q, cid, r, status) -> {
            for (int i = 0; i < q.size; i++) {
                RawMemory.putInt(fake.host(q.completions) + 16L * i + 12, 1 << 16 | cid);
                RawMemory.putInt(fake.host(q.completions) + 16L * i + 8, 1 << 16);
            }
        };
        queue.read(0, 0, 512, 1);
        queue.kick();
        assertThat(queue.poll((tag, r) -> result = r)).isEqualTo(1);
        assertThatThrownBy(() -> queue.poll((tag, r) -> {})).hasMessageContaining("not in flight");
    }

    @Test
    void outlivesAnyCompletionQueue() {
        Random random = new Random(1);
        int given = 0;
        for (int round = 0; round < 3000; round++) {
            close();
            open();
            fake.completer = (q, cid, r, status) -> {
                for (int i = 0; i < q.size; i++) {
                    long entry = fake.host(q.completions) + 16L * i;
                    RawMemory.putInt(entry + 8, random.nextInt(3) << 16);
                    RawMemory.putInt(entry + 12, random.nextInt() & (random.nextBoolean() ? 0x1_0007 : -1));
                }
            };
            int[] done = {0};
            try {
                for (int i = 0; i < 8; i++) {
                    queue.read(0, 0, 512, i);
                    queue.kick();
                    queue.poll((tag, r) -> done[0]++);
                }
            } catch (ErrnoException e) {
                assertThat(e.errno()).isEqualTo(EPROTO);
                given++;
            }
            assertThat(done[0]).isLessThanOrEqualTo(8);
        }
        assertThat(given).isGreaterThan(1000);
    }

    @Test
    void isNotKeptByAControllerThatCompletesAtOnce() {
        int[] done = {0};
        queue.read(0, 0, 512, 0);
        queue.kick();
        queue.poll((tag, r) -> {
            done[0]++;
            queue.read(0, 0, 512, tag);
            queue.kick();
        });
        assertThat(done[0]).isEqualTo(1);
    }

    @Test
    void reportsAFailedRequestAndGoesOn() {
        assertThat(outcome(NvmeStatus.INVALID_COMMAND_OPCODE)).isEqualTo(-ENOTSUP);
        assertThat(outcome(NvmeStatus.NAMESPACE_IS_WRITE_PROTECTED)).isEqualTo(-EROFS);
        assertThat(outcome(NvmeStatus.CAPACITY_EXCEEDED)).isEqualTo(-ENOSPC);
        assertThat(outcome(0x281)).isEqualTo(-EIO);
        assertThat(queue.status()).isEqualTo(0x281);
        assertThat(outcome(0x7fff)).isEqualTo(-EIO);
        assertThat(outcome(0)).isZero();
    }

    @Test
    void endsAWaitForAControllerThatDoesNothing() {
        fake.deaf = true;
        queue.read(0, 0, 512, 1);
        queue.kick();
        assertThat(queue.await(2_000_000)).isFalse();
    }

    @Test
    void endsAWaitForAControllerThatOnlyInterrupts() throws InterruptedException {
        fake.deaf = true;
        queue.read(0, 0, 512, 1);
        queue.kick();
        Thread device = Thread.ofPlatform().start(() -> {
            while (!Thread.interrupted()) {
                EventFd.signal(fake.vectors.get(1).value());
            }
        });
        assertThat(queue.await(20_000_000)).isFalse();
        device.interrupt();
        device.join();
    }

    @Test
    void tellsThatTheControllerHasFailed() {
        fake.csts |= CSTS_CFS;
        assertThatThrownBy(driver::check)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EIO));
    }

    @Test
    void refusesToBeUsedWhenClosed() {
        driver.close();
        assertThatThrownBy(() -> queue.read(0, 0, 512, 1)).hasMessageContaining("closed");
        assertThatThrownBy(() -> queue.poll((tag, r) -> {})).hasMessageContaining("closed");
        assertThatThrownBy(queue::kick).hasMessageContaining("closed");
    }

    private int outcome(int status) {
        fake.status = status;
        queue.read(0, 0, 512, 1);
        queue.kick();
        assertThat(queue.poll((tag, r) -> result = r)).isEqualTo(1);
        return result;
    }

    private void assertGivenUp(String why) {
        assertThatThrownBy(() -> outcome(0))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EPROTO))
                .hasMessageContaining(why);
        assertThat(result).as("nothing was reported as done").isEqualTo(NOTHING);
        assertThatThrownBy(() -> queue.read(0, 0, 512, 2)).hasMessageContaining(why);
        assertThatThrownBy(queue::kick).hasMessageContaining(why);
    }
}
