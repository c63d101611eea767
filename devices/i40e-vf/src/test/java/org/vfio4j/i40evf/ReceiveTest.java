package org.vfio4j.i40evf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.avfdriver.AvfDriver.*;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.avfdriver.AvfRing;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.RawMemory;

/** Receive descriptors, X710 datasheet 8.3. */
class ReceiveTest {

    private final NetworkLink link = new NetworkLink();
    private final Nic sender = new Nic(link.addPort(), 1).start();
    private final Nic receiver = new Nic(link.addPort(), 2).start();

    @AfterEach
    void close() {
        sender.close();
        receiver.close();
    }

    @Test
    void aTailBehindTheRingStopsTheQueueAndAsksForAReset() {
        receiver.write(0x2000, Nic.RING);
        sender.tx.send(sender.frameTo(receiver, 60, 1));
        expectFault();
    }

    @Test
    void aBufferInNoMemoryStopsTheQueueAndAsksForAReset() {
        RawMemory.putLong(receiver.memory.host(receiver.rx.iova()), receiver.memory.end());
        sender.tx.send(sender.frameTo(receiver, 60, 1));
        expectFault();
    }

    @Test
    void framesWithoutBuffersAreDroppedAndCounted() {
        for (int i = 0; i < Nic.RING + 9; i++) {
            sender.tx.send(sender.frameTo(receiver, 60, i));
        }
        sender.tx.awaitSent();
        await("what is too much", () -> receiver.vf.statistics().rxDiscards() == 10);
        for (int i = 0; i < Nic.RING - 1; i++) {
            assertThat(receiver.rx.receive()).isEqualTo(sender.frameTo(receiver, 60, i));
        }
        sender.tx.send(sender.frameTo(receiver, 60, 1000));
        assertThat(receiver.rx.receive()).isEqualTo(sender.frameTo(receiver, 60, 1000));
    }

    @ParameterizedTest
    @ValueSource(ints = {14, 60, 1514, 2047, 2048, 2049, 4096, 4097, 9728})
    void aFrameTakesAsManyBuffersAsItNeeds(int bytes) {
        byte[] frame = sender.frameTo(receiver, Math.max(bytes, 18), 3);
        frame = java.util.Arrays.copyOf(frame, bytes);
        AvfRing large = AvfRing.transmit(sender.driver, 1, 8, 16128);
        sender.driver.start(large, AvfRing.receive(sender.driver, 1, 32, 2048));
        large.send(frame);
        assertThat(receiver.rx.receive()).isEqualTo(frame);
    }

    @Test
    void whatComesInterruptsItsVector() {
        receiver.write(DYN_CTLN1, INTENA);
        sender.tx.send(sender.frameTo(receiver, 60, 1));
        await("an interrupt", () -> receiver.messages.contains(1));
        assertThat(receiver.rx.hasFrame()).isTrue();
    }

    @Test
    void buffersInMemoryThatIsNotMappedAreFilledToo() {
        long buffer = receiver.memory.remote(2048);
        RawMemory.putLong(receiver.memory.host(receiver.rx.iova()), buffer);
        byte[] frame = sender.frameTo(receiver, 1514, 4);
        sender.tx.send(frame);
        await("a frame", receiver.rx::hasFrame);
        assertThat(receiver.memory.get(buffer, frame.length)).isEqualTo(frame);
    }

    @Test
    void aFrameWaitsForMemoryThatItsOwnerDoesNotGiveJustNow() {
        RawMemory.putLong(receiver.memory.host(receiver.rx.iova()), receiver.memory.remote(2048));
        receiver.memory.failRemote(-Errno.ECANCELED);
        sender.tx.send(sender.frameTo(receiver, 60, 5));
        sender.tx.awaitSent();
        receiver.settle();
        assertThat(receiver.rx.hasFrame()).isFalse();
        receiver.memory.failRemote(0);
        await("a frame", receiver.rx::hasFrame);
        assertThat(receiver.vf.statistics().rxPackets()).isEqualTo(1);
    }

    private void expectFault() {
        assertThat(receiver.driver.awaitEvent().buffer().getInt(0))
                .as("VIRTCHNL_EVENT_RESET_IMPENDING")
                .isEqualTo(2);
        assertThat(receiver.vf.statistics().faults()).isEqualTo(1);
        // The sender is not held up.
        for (int i = 0; i < 2 * Nic.RING; i++) {
            sender.tx.send(sender.frameTo(receiver, 60, i));
        }
        sender.tx.awaitSent();
    }
}
