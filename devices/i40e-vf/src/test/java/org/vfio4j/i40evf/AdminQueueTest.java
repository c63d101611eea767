package org.vfio4j.i40evf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.avfdriver.AvfDriver.*;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.avfdriver.AvfDriver.Message;
import org.vfio4j.sys.RawMemory;

/** The admin queues, X710 datasheet 7.10. */
class AdminQueueTest {

    private static final byte[] VERSION = ints(1, 1);

    private final Nic nic = new Nic(new NetworkLink().addPort(), 1);

    @AfterEach
    void close() {
        nic.close();
    }

    @Test
    void aTailBehindTheRingIsACriticalErrorAndStopsTheQueue() {
        nic.open().write(ATQT, 32);
        await("a critical error", () -> (nic.read(ATQLEN) & CRITICAL) != 0);
        assertThat(nic.read(ATQH)).isZero();
        assertThat(nic.vf.statistics().faults()).isEqualTo(1);
        nic.open();
        assertThat(nic.driver.request(OP_VERSION, VERSION).status()).isEqualTo(SUCCESS);
    }

    @Test
    void aRingInNoMemoryIsACriticalError() {
        nic.open().write(ATQBAH, 0x7fff);
        nic.write(ATQT, 1);
        await("a critical error", () -> (nic.read(ATQLEN) & CRITICAL) != 0);
    }

    @Test
    void aMessageInNoMemoryIsACriticalError() {
        nic.open().driver.prepare(SEND_MSG_TO_PF, OP_VERSION, VERSION);
        RawMemory.putInt(nic.memory.host(nic.driver.sendRing()) + 24, 0x7fff);
        nic.driver.ring();
        await("a critical error", () -> (nic.read(ATQLEN) & CRITICAL) != 0);
    }

    @Test
    void aBufferTooSmallForItsReplyIsACriticalErrorOfTheReceiveQueue() {
        nic.open();
        RawMemory.putShort(nic.memory.host(nic.driver.receiveRing()) + 4, (short) 7);
        nic.driver.command(SEND_MSG_TO_PF, OP_VERSION, VERSION);
        await("a critical error", () -> (nic.read(ARQLEN) & CRITICAL) != 0);
        assertThat(nic.read(ARQH)).isZero();
    }

    @Test
    void anUnknownCommandIsRefusedWithESRCH() {
        nic.open();
        assertThat(nic.driver.command(0x0001, 0)).isEqualTo(3);
        assertThat(nic.driver.command(0xffff, 0)).isEqualTo(3);
        assertThat(nic.driver.hasMessage()).isFalse();
    }

    @Test
    void aMessageLongerThanABufferIsRefusedWithEINVAL() {
        nic.open().driver.prepare(SEND_MSG_TO_PF, OP_VERSION, VERSION);
        RawMemory.putShort(nic.memory.host(nic.driver.sendRing()) + 4, (short) 4097);
        nic.driver.ring();
        await("the command", () -> nic.read(ATQH) == 1);
        assertThat(RawMemory.getShort(nic.memory.host(nic.driver.sendRing()) + 6))
                .isEqualTo((short) 14);
    }

    @Test
    void aCommandWaitsUntilThereIsABufferForItsReply() {
        nic.open().write(ARQT, 0);
        nic.driver.prepare(SEND_MSG_TO_PF, OP_VERSION, VERSION);
        nic.driver.ring();
        // Not done in all the time that another whole function needs to answer.
        try (Nic other = new Nic(new NetworkLink().addPort(), 2)) {
            other.open().driver.request(OP_VERSION, VERSION);
        }
        assertThat(nic.read(ATQH)).isZero();
        nic.write(ARQT, 1);
        assertThat(nic.driver.awaitMessage().opcode()).isEqualTo(OP_VERSION);
        assertThat(nic.read(ATQH)).isEqualTo(1);
    }

    @Test
    void aCommandIsWrittenBackAsDone() {
        nic.open();
        assertThat(nic.driver.command(QUEUE_SHUTDOWN, 0)).isZero();
        assertThat(RawMemory.getShort(nic.memory.host(nic.driver.sendRing())) & 3)
                .isEqualTo(3);
    }

    @Test
    void bothRingsGoRound() {
        nic.open();
        for (int i = 0; i < 100; i++) {
            Message answer = nic.driver.request(OP_VERSION, VERSION);
            assertThat(answer.status()).isEqualTo(SUCCESS);
            assertThat(answer.data()).isEqualTo(VERSION);
        }
    }

    @Test
    void aQueueThatWasDisabledDoesNothing() {
        nic.open().write(ATQLEN, 0);
        nic.driver.prepare(SEND_MSG_TO_PF, OP_VERSION, VERSION);
        nic.driver.ring();
        nic.open();
        assertThat(nic.driver.request(OP_VERSION, VERSION).status()).isEqualTo(SUCCESS);
        assertThat(nic.driver.hasMessage()).isFalse();
    }

    @Test
    void aReplyRaisesTheCauseAndInterruptsOnceUntilEnabledAgain() {
        nic.open().write(ICR0_ENA1, ADMINQ);
        nic.write(DYN_CTL01, INTENA);
        nic.driver.request(OP_VERSION, VERSION);
        await("an interrupt", () -> nic.messages.equals(java.util.List.of(0)));
        nic.driver.request(OP_VERSION, VERSION);
        nic.settle();
        assertThat(nic.messages).containsExactly(0);
        assertThat(nic.read(ICR01)).isEqualTo(ADMINQ);
        assertThat(nic.read(ICR01)).isZero();
        nic.write(DYN_CTL01, INTENA);
        assertThat(nic.messages).containsExactly(0, 0);
    }

    @Test
    void noInterruptWithoutItsCauseEnabled() {
        nic.open().write(DYN_CTL01, INTENA);
        nic.driver.request(OP_VERSION, VERSION);
        nic.settle();
        assertThat(nic.messages).isEmpty();
        nic.write(ICR0_ENA1, ADMINQ);
        assertThat(nic.messages).containsExactly(0);
    }
}
