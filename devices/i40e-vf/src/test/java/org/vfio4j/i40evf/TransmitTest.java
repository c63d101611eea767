package org.vfio4j.i40evf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.avfdriver.AvfDriver.*;
import static org.vfio4j.avfdriver.AvfRing.*;

import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.avfdriver.AvfDriver.Message;

/** Transmit descriptors and offloads, X710 datasheet 8.4. */
class TransmitTest {

    private static final int EOP_RS = TX_EOP | TX_RS;

    private final NetworkLink link = new NetworkLink();
    private final Nic sender = new Nic(link.addPort(), 1).start();
    private final Nic receiver = new Nic(link.addPort(), 2).start();

    @AfterEach
    void close() {
        sender.close();
        receiver.close();
    }

    /** Filter programming, a tag to insert, an unknown type, a context with a tunnel's tag, of which none was agreed on. */
    @ParameterizedTest
    @ValueSource(longs = {0x8, (TX_EOP | TX_RS | 8) << 4 | 60L << 34, 0x5, 0xf, 1 | 4 << 4})
    void whatWasNotAgreedOnStopsTheQueueAndAsksForAReset(long qw1) {
        sender.tx.put(sender.tx.buffer(0), qw1);
        sender.tx.tell();
        expectFault();
    }

    @Test
    void aBufferInNoMemoryStopsTheQueue() {
        sender.tx.put(sender.memory.end(), data(EOP_RS, 0, 0, 0, 60));
        sender.tx.tell();
        expectFault();
    }

    @Test
    void aTailBehindTheRingStopsTheQueue() {
        sender.write(0, Nic.RING);
        expectFault();
    }

    @Test
    void aPacketOfMoreThanTheLargestStopsTheQueue() {
        for (int i = 0; i < 5; i++) {
            sender.tx.put(sender.tx.buffer(0), data(0, 0, 0, 0, 16383));
        }
        sender.tx.tell();
        expectFault();
    }

    @Test
    void afterAResetAFaultyQueueWorksAgain() {
        aTailBehindTheRingStopsTheQueue();
        sender.driver.prepare(SEND_MSG_TO_PF, OP_RESET_VF, new byte[0]);
        sender.driver.ring();
        await("the reset", () -> sender.read(ARQLEN) == 0);
        sender.tx = transmit(sender.driver, 0, Nic.RING, Nic.BUFFER);
        sender.rx = receive(sender.driver, 0, Nic.RING, Nic.BUFFER);
        sender.start();
        arrives(sender.frameTo(receiver, 60, 1));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 13, 9729})
    void aFrameOfAnImpossibleLengthIsCountedAndDropped(int bytes) {
        sender.tx.put(sender.tx.buffer(0), data(EOP_RS, 0, 0, 0, bytes));
        sender.tx.tell();
        sender.tx.awaitSent();
        assertThat(sender.vf.statistics().txErrors()).isEqualTo(1);
        arrives(sender.frameTo(receiver, 60, 2));
    }

    /** A checksum wanted where there is no header; segments too short, too long, of no TCP, and of no data. */
    @ParameterizedTest
    @CsvSource({
        "0x143, 0, 20, 20, 0",
        "0x143, 14, 16, 20, 0",
        "0x343, 14, 20, 4, 0",
        "0x143, 126, 508, 60, 0",
        "0x163, 14, 20, 20, 63",
        "0x163, 14, 20, 20, 9700",
        "0x363, 14, 20, 20, 1000",
        "0x103, 14, 20, 20, 1000",
        "0x163, 14, 508, 60, 1000"
    })
    void offloadsThatDoNotFitThePacketAreCountedAndDropped(
            String command, int macLength, int ipLength, int l4Length, int mss) {
        if (mss != 0) {
            sender.tx.put(0, segmentation(0, mss));
        }
        sender.tx.put(sender.tx.buffer(0), data(Integer.decode(command), macLength, ipLength, l4Length, 500));
        sender.tx.tell();
        sender.tx.awaitSent();
        assertThat(sender.vf.statistics().txErrors()).isEqualTo(1);
        arrives(sender.frameTo(receiver, 60, 3));
    }

    @Test
    void aPacketWaitsForItsLastDescriptor() {
        byte[] frame = sender.frameTo(receiver, 100, 1);
        sender.memory.put(sender.tx.buffer(0), frame);
        sender.tx.put(sender.tx.buffer(0), data(0, 0, 0, 0, 40));
        sender.tx.tell();
        sender.settle();
        assertThat(receiver.rx.hasFrame()).isFalse();
        sender.tx.put(sender.tx.buffer(0) + 40, data(EOP_RS, 0, 0, 0, 60));
        sender.tx.tell();
        assertThat(receiver.rx.receive()).isEqualTo(frame);
    }

    @Test
    void onlyDescriptorsThatAskForItAreReported() {
        byte[] frame = sender.frameTo(receiver, 60, 1);
        sender.memory.put(sender.tx.buffer(0), frame);
        sender.tx.put(sender.tx.buffer(0), data(TX_EOP, 0, 0, 0, 60));
        sender.tx.put(sender.tx.buffer(0), data(EOP_RS, 0, 0, 0, 60));
        sender.tx.tell();
        await("the second", () -> sender.tx.isDone(1));
        assertThat(sender.tx.isDone(0)).isFalse();
    }

    @Test
    void whatWasSentInterruptsItsVectorOnceUntilEnabledAgain() {
        sender.write(DYN_CTLN1, INTENA);
        for (int i = 0; i < 10; i++) {
            sender.tx.send(sender.frameTo(receiver, 60, i));
        }
        sender.tx.awaitSent();
        sender.settle();
        assertThat(sender.messages).containsExactly(1);
        sender.tx.send(sender.frameTo(receiver, 60, 10));
        sender.tx.awaitSent();
        sender.settle();
        sender.write(DYN_CTLN1, INTENA);
        assertThat(sender.messages).containsExactly(1, 1);
    }

    @Test
    void theDriverCanInterruptItself() {
        sender.write(DYN_CTLN1 + 4, INTENA | 4);
        assertThat(sender.messages).containsExactly(2);
    }

    @Test
    void theRingGoesRoundManyTimes() {
        for (int i = 0; i < 20 * Nic.RING; i++) {
            arrives(sender.frameTo(receiver, 60 + i % 1000, i));
        }
        assertThat(receiver.vf.statistics().rxDiscards()).isZero();
    }

    @Test
    void buffersInMemoryThatIsNotMappedAreSentToo() {
        byte[] frame = sender.frameTo(receiver, 1514, 5);
        long buffer = sender.memory.remote(2048);
        sender.memory.put(buffer, frame);
        sender.tx.put(buffer, data(EOP_RS, 0, 0, 0, frame.length));
        sender.tx.tell();
        assertThat(receiver.rx.receive()).isEqualTo(frame);
    }

    @ParameterizedTest
    @CsvSource({"4, 6, 100", "4, 6, 101", "4, 6, 0", "6, 6, 1333", "4, 17, 77", "6, 17, 1000"})
    void checksumsAreFilledIn(int version, int protocol, int dataBytes) {
        byte[] packet = Packets.packet(receiver.mac, sender.mac, version, protocol, dataBytes, true);
        int command = EOP_RS | (version == 4 ? TX_IPV4_CSUM : TX_IPV6) | (protocol == Packets.TCP ? TX_TCP : TX_UDP);
        assertThat(sender.tx.trySend(packet, command, 14, Packets.ipBytes(version), Packets.l4Bytes(protocol)))
                .isTrue();
        byte[] frame = receiver.rx.receive();
        assertThat(Packets.l4Sum(frame, version, protocol)).isEqualTo(0xffff);
        if (version == 4) {
            assertThat(Packets.ipSum(frame)).isEqualTo(0xffff);
        }
    }

    @Test
    void aDatagramsChecksumIsNeverZero() {
        byte[] packet = Packets.packet(receiver.mac, sender.mac, 4, Packets.UDP, 2, true);
        // Data that makes the sum 0xffff.
        Packets.put16(packet, 42, 0);
        byte[] summed = packet.clone();
        Packets.put16(packet, 42, 0xffff - Packets.l4Sum(zeroed(summed, 40), 4, Packets.UDP));
        assertThat(sender.tx.trySend(packet, EOP_RS | TX_IPV4 | TX_UDP, 14, 20, 8))
                .isTrue();
        byte[] frame = receiver.rx.receive();
        assertThat(Packets.get16(frame, 40)).isEqualTo(0xffff);
    }

    @Test
    void sctpGetsItsCrc() {
        byte[] packet = Packets.packet(receiver.mac, sender.mac, 4, Packets.SCTP, 50, true);
        assertThat(sender.tx.trySend(packet, EOP_RS | TX_IPV4 | TX_SCTP, 14, 20, 12))
                .isTrue();
        byte[] frame = receiver.rx.receive();
        int written = LittleEndian.i32(frame, 42);
        LittleEndian.put32(frame, 42, 0);
        CRC32C crc = new CRC32C();
        crc.update(frame, 34, frame.length - 34);
        assertThat(written).isEqualTo((int) crc.getValue());
    }

    @ParameterizedTest
    @CsvSource({"4, 1448, 1448", "4, 1449, 1448", "4, 20000, 1448", "6, 3900, 64", "6, 20001, 1428", "4, 100, 4000"})
    void aLargePacketIsCutIntoSegments(int version, int dataBytes, int mss) {
        byte[] packet = Packets.packet(receiver.mac, sender.mac, version, Packets.TCP, dataBytes, false);
        int headers = 14 + Packets.ipBytes(version) + 20;
        long at = sender.driver.aligned(packet.length);
        sender.memory.put(at, packet);
        int command = (version == 4 ? TX_IPV4_CSUM : TX_IPV6) | TX_TCP;
        sender.tx.put(0, segmentation(dataBytes, mss));
        int half = packet.length / 2;
        sender.tx.put(at, data(command, 14, headers - 34, 20, half));
        sender.tx.put(at + half, data(command | EOP_RS, 14, headers - 34, 20, packet.length - half));
        sender.tx.tell();
        int segments = (dataBytes + mss - 1) / mss;
        for (int i = 0; i < segments; i++) {
            int data = Math.min(mss, dataBytes - i * mss);
            byte[] frame = receiver.rx.receive();
            assertThat(frame).hasSize(headers + data);
            assertThat(Arrays.copyOfRange(frame, headers, frame.length))
                    .isEqualTo(Arrays.copyOfRange(packet, headers + i * mss, headers + i * mss + data));
            checkHeaders(frame, packet, version, i, mss, i == segments - 1);
        }
        sender.tx.awaitSent();
    }

    private static void checkHeaders(byte[] frame, byte[] packet, int version, int index, int mss, boolean last) {
        int tcp = 14 + Packets.ipBytes(version);
        assertThat(Packets.l4Sum(frame, version, Packets.TCP)).isEqualTo(0xffff);
        if (version == 4) {
            assertThat(Packets.ipSum(frame)).isEqualTo(0xffff);
            assertThat(Packets.get16(frame, 16)).isEqualTo(frame.length - 14);
            assertThat(Packets.get16(frame, 18)).isEqualTo((0xfffe + index) & 0xffff);
        } else {
            assertThat(Packets.get16(frame, 18)).isEqualTo(frame.length - 54);
        }
        int sequence = Integer.reverseBytes(LittleEndian.i32(packet, tcp + 4)) + index * mss;
        assertThat(Integer.reverseBytes(LittleEndian.i32(frame, tcp + 4))).isEqualTo(sequence);
        // FIN and PSH at the end only, CWR at the beginning only; the rest everywhere.
        int flags = 0x10 | (last ? 0x09 : 0) | (index == 0 ? 0x80 : 0);
        assertThat(frame[tcp + 13] & 0xff).isEqualTo(flags);
    }

    private void arrives(byte[] frame) {
        sender.tx.send(frame);
        assertThat(receiver.rx.receive()).isEqualTo(frame);
    }

    private void expectFault() {
        Message event = sender.driver.awaitEvent();
        assertThat(event.buffer().getInt(0))
                .as("VIRTCHNL_EVENT_RESET_IMPENDING")
                .isEqualTo(2);
        assertThat(event.buffer().getInt(12)).isEqualTo(255);
        assertThat(sender.vf.statistics().faults()).isEqualTo(1);
        // The rest goes on.
        byte[] frame = receiver.frameTo(sender, 60, 1);
        receiver.tx.send(frame);
        assertThat(sender.rx.receive()).isEqualTo(frame);
        assertThat(List.of(sender.driver.request(OP_GET_STATS, select(0, 0)).status()))
                .containsExactly(SUCCESS);
    }

    private static byte[] zeroed(byte[] packet, int at) {
        Packets.put16(packet, at, 0);
        return packet;
    }
}
