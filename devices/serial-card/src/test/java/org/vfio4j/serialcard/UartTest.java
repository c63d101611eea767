package org.vfio4j.serialcard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.serialcard.UartRegs.*;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The registers of a 16550A, as National's PC16550D data sheet and Linux's 8250 driver know them. */
final class UartTest {

    private static final int FIFO_ON = UART_FCR_ENABLE_FIFO;
    private static final int TRIGGER_8 = 0x80;

    private final List<Boolean> levels = new ArrayList<>();
    private final Uart uart = new Uart(this::changed);
    private final Wire wire = new Wire();

    private void changed() {
        levels.add(uart.isPending());
    }

    @BeforeEach
    void plug() {
        uart.plug(wire);
        uart.read(UART_MSR);
        levels.clear();
    }

    @Test
    void scratchAndEnableKeepTheirBits() {
        uart.write(UART_SCR, 0xa5);
        assertThat(uart.read(UART_SCR)).isEqualTo(0xa5);
        // Linux tells chips apart by the bits of IER that stay.
        uart.write(UART_IER, 0xff);
        assertThat(uart.read(UART_IER)).isEqualTo(0x0f);
        uart.write(UART_IER, 0);
        assertThat(uart.read(UART_IER)).isZero();
        uart.write(UART_LSR, 0xff);
        assertThat(uart.read(UART_LSR)).isEqualTo(UART_LSR_THRE | UART_LSR_TEMT);
    }

    @Test
    void theDivisorIsBehindDlab() {
        uart.write(UART_IER, UART_IER_RDI);
        uart.write(UART_LCR, UART_LCR_DLAB | 3);
        uart.write(UART_RX, 12);
        uart.write(UART_IER, 0);
        assertThat(uart.read(UART_RX)).isEqualTo(12);
        assertThat(uart.read(UART_IER)).isZero();
        assertThat(uart.baud()).isEqualTo(9600);
        uart.write(UART_IER, 4);
        assertThat(uart.baud()).isEqualTo(115_200 / 1036);
        uart.write(UART_LCR, 3);
        assertThat(uart.read(UART_IER)).isEqualTo(UART_IER_RDI);
        assertThat(wire.sent).isEmpty();
    }

    @Test
    void aDivisorOfZeroIsNoSpeed() {
        assertThat(uart.baud()).isZero();
    }

    @Test
    void identifiesAsA16550A() {
        assertThat(uart.read(UART_IIR)).isEqualTo(UART_IIR_NO_INT);
        uart.write(UART_IIR, FIFO_ON);
        assertThat(uart.read(UART_IIR)).isEqualTo(UART_IIR_FIFO_ENABLED | UART_IIR_NO_INT);
        uart.write(UART_IIR, 0);
        assertThat(uart.read(UART_IIR)).isEqualTo(UART_IIR_NO_INT);
    }

    @Test
    void loopModeShowsTheOutputsAsInputs() {
        uart.write(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
        assertThat(uart.read(UART_MSR) & UART_MSR_LINES).isEqualTo(UART_MSR_DCD | UART_MSR_CTS);
        uart.write(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1 | UART_MCR_DTR);
        assertThat(uart.read(UART_MSR) & UART_MSR_LINES).isEqualTo(UART_MSR_RI | UART_MSR_DSR);
        // The end of a ring is a change, its beginning is none.
        uart.write(UART_MCR, UART_MCR_LOOP | UART_MCR_DTR);
        assertThat(uart.read(UART_MSR) & 0x0f).isEqualTo(UART_MSR_TERI);
        uart.write(UART_MCR, UART_MCR_LOOP | UART_MCR_DTR | UART_MCR_OUT1);
        assertThat(uart.read(UART_MSR) & 0x0f).isZero();
        assertThat(wire.dtr).isFalse();
    }

    @Test
    void loopModeReturnsAFifoFullAndCountsTheRestAsOverrun() {
        uart.write(UART_IIR, FIFO_ON);
        uart.write(UART_MCR, UART_MCR_LOOP);
        for (int i = 0; i < 256; i++) {
            uart.write(UART_RX, i);
        }
        assertThat(uart.read(UART_LSR) & UART_LSR_OE).isNotZero();
        for (int i = 0; i < 16; i++) {
            assertThat(uart.read(UART_LSR)).isEqualTo(UART_LSR_DR | UART_LSR_THRE | UART_LSR_TEMT);
            assertThat(uart.read(UART_RX)).isEqualTo(i);
        }
        assertThat(uart.read(UART_LSR) & UART_LSR_DR).isZero();
        assertThat(wire.sent).isEmpty();
    }

    @Test
    void withoutFifosThereIsRoomForOne() {
        assertThat(uart.receive(new byte[] {1, 2}, 0, 2)).isEqualTo(1);
        uart.receiveAnyway(3);
        assertThat(uart.read(UART_LSR) & (UART_LSR_DR | UART_LSR_OE)).isEqualTo(UART_LSR_DR | UART_LSR_OE);
        assertThat(uart.read(UART_RX)).isEqualTo(1);
        assertThat(uart.read(UART_RX)).isZero();
    }

    @Test
    void interruptsComeByUrgency() {
        uart.write(UART_IIR, FIFO_ON);
        uart.write(UART_IER, UART_IER_ALL);
        uart.lines(true, false, false);
        uart.receive(new byte[] {1}, 0, 1);
        uart.receiveBreak();
        uart.read(UART_RX);
        assertThat(uart.read(UART_IIR) & 0x0f).isEqualTo(UART_IIR_RLSI);
        assertThat(uart.read(UART_LSR) & UART_LSR_BI).isNotZero();
        assertThat(uart.read(UART_IIR) & 0x0f).isIn(UART_IIR_RDI, UART_IIR_RX_TIMEOUT);
        uart.read(UART_RX);
        assertThat(uart.read(UART_IIR) & 0x0f).isEqualTo(UART_IIR_THRI);
        assertThat(uart.read(UART_IIR) & 0x0f).isEqualTo(UART_IIR_MSI);
        assertThat(uart.read(UART_MSR)).isEqualTo(UART_MSR_CTS | 1);
        assertThat(uart.read(UART_IIR) & 0x0f).isEqualTo(UART_IIR_NO_INT);
        // All that while the line stayed up, as a level does.
        assertThat(levels).containsExactly(true, false);
    }

    @Test
    void theTriggerLevelTellsDataFromATimeout() {
        uart.write(UART_IIR, FIFO_ON | TRIGGER_8);
        uart.write(UART_IER, UART_IER_RDI);
        uart.receive(new byte[7], 0, 7);
        assertThat(uart.read(UART_IIR)).isEqualTo(UART_IIR_FIFO_ENABLED | UART_IIR_RX_TIMEOUT);
        uart.receive(new byte[1], 0, 1);
        assertThat(uart.read(UART_IIR)).isEqualTo(UART_IIR_FIFO_ENABLED | UART_IIR_RDI);
    }

    @Test
    void anEmptyTransmitterInterruptsOnceForEachTime() {
        uart.write(UART_IER, UART_IER_THRI);
        assertThat(uart.isPending()).isTrue();
        assertThat(uart.read(UART_IIR)).isEqualTo(UART_IIR_THRI);
        assertThat(uart.isPending()).isFalse();
        uart.write(UART_IER, UART_IER_THRI);
        assertThat(uart.isPending()).isFalse();
        uart.write(UART_RX, 'x');
        assertThat(uart.isPending()).isTrue();
        uart.write(UART_IER, 0);
        assertThat(uart.isPending()).isFalse();
        assertThat(wire.sent).containsExactly((int) 'x');
    }

    @Test
    void aPeerWithoutRoomKeepsThePortWaiting() {
        uart.write(UART_IIR, FIFO_ON);
        wire.room = 2;
        for (int i = 0; i < 5; i++) {
            uart.write(UART_RX, i);
        }
        assertThat(wire.sent).containsExactly(0, 1);
        assertThat(uart.read(UART_LSR) & (UART_LSR_THRE | UART_LSR_TEMT)).isZero();
        wire.room = 100;
        uart.drain();
        assertThat(wire.sent).containsExactly(0, 1, 2, 3, 4);
        assertThat(uart.read(UART_LSR) & UART_LSR_THRE).isNotZero();
    }

    @Test
    void aPortWithoutRoomTellsItsPeerWhenItHasSome() {
        uart.write(UART_IIR, FIFO_ON);
        assertThat(uart.receive(new byte[20], 0, 20)).isEqualTo(16);
        assertThat(wire.roomOffers).isZero();
        uart.read(UART_RX);
        assertThat(wire.roomOffers).isEqualTo(1);
        uart.read(UART_RX);
        assertThat(wire.roomOffers).isEqualTo(1);
        assertThat(uart.receive(new byte[4], 0, 4)).isEqualTo(2);
    }

    @Test
    void fifosAreClearedOneByOneAndWhenTheyAreTurnedOnOrOff() {
        uart.write(UART_IIR, FIFO_ON);
        wire.room = 0;
        uart.receive(new byte[3], 0, 3);
        uart.write(UART_RX, 1);
        uart.write(UART_IIR, FIFO_ON | UART_FCR_CLEAR_RCVR);
        assertThat(uart.read(UART_LSR) & (UART_LSR_DR | UART_LSR_THRE)).isZero();
        uart.write(UART_IIR, FIFO_ON | UART_FCR_CLEAR_XMIT);
        assertThat(uart.read(UART_LSR) & UART_LSR_THRE).isNotZero();
        uart.receive(new byte[3], 0, 3);
        uart.write(UART_IIR, 0);
        assertThat(uart.read(UART_LSR) & UART_LSR_DR).isZero();
    }

    @Test
    void aBreakIsSentAndReceived() {
        uart.write(UART_IIR, FIFO_ON);
        uart.write(UART_LCR, UART_LCR_SBC | 3);
        uart.write(UART_LCR, 3);
        assertThat(wire.breaks).isEqualTo(1);
        uart.receiveBreak();
        assertThat(uart.read(UART_LSR) & (UART_LSR_DR | UART_LSR_BI | UART_LSR_FIFOE))
                .isEqualTo(UART_LSR_DR | UART_LSR_BI | UART_LSR_FIFOE);
        assertThat(uart.read(UART_LSR) & (UART_LSR_BI | UART_LSR_FIFOE)).isZero();
        assertThat(uart.read(UART_RX)).isZero();
    }

    @Test
    void aStoppedPortNeitherSendsNorReceives() {
        uart.write(UART_IIR, FIFO_ON);
        uart.setStopped(true);
        uart.write(UART_RX, 'a');
        assertThat(uart.receive(new byte[] {1}, 0, 1)).isZero();
        assertThat(wire.sent).isEmpty();
        uart.setStopped(false);
        assertThat(wire.sent).containsExactly((int) 'a');
        assertThat(wire.roomOffers).isEqualTo(1);
    }

    @Test
    void aResetForgetsAllButTheCable() {
        uart.write(UART_IIR, FIFO_ON);
        uart.write(UART_IER, UART_IER_ALL);
        uart.write(UART_MCR, UART_MCR_DTR);
        uart.lines(true, true, true);
        uart.receive(new byte[3], 0, 3);
        uart.reset();
        assertThat(uart.isPending()).isFalse();
        assertThat(uart.read(UART_LSR)).isEqualTo(UART_LSR_THRE | UART_LSR_TEMT);
        assertThat(uart.read(UART_MSR)).isEqualTo(UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD);
        assertThat(wire.dtr).isFalse();
    }

    @Test
    void aLoopbackPlugJoinsDataAndLines() {
        uart.plug(new LoopbackPlug());
        uart.write(UART_IIR, FIFO_ON);
        uart.read(UART_MSR);
        uart.write(UART_MCR, UART_MCR_RTS | UART_MCR_DTR);
        assertThat(uart.read(UART_MSR) & UART_MSR_LINES).isEqualTo(UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD);
        uart.write(UART_RX, 'x');
        assertThat(uart.read(UART_RX)).isEqualTo('x');
        uart.write(UART_LCR, UART_LCR_SBC);
        assertThat(uart.read(UART_LSR) & UART_LSR_BI).isNotZero();
    }

    @Test
    void whatALoopbackPlugHasNoRoomForWaitsInTheTransmitter() {
        uart.plug(new LoopbackPlug());
        uart.write(UART_IIR, FIFO_ON);
        for (int i = 0; i < 20; i++) {
            uart.write(UART_RX, i);
        }
        assertThat(uart.read(UART_LSR)).isEqualTo(UART_LSR_DR);
        for (int i = 0; i < 20; i++) {
            assertThat(uart.read(UART_RX)).isEqualTo(i);
            // The first four that were read let in what waited.
            assertThat(uart.read(UART_LSR) & UART_LSR_THRE).isEqualTo(i < 3 ? 0 : UART_LSR_THRE);
        }
        assertThat(uart.read(UART_LSR)).isEqualTo(UART_LSR_THRE | UART_LSR_TEMT);
    }

    /** A peer that keeps what it gets. */
    private static final class Wire implements SerialPeer {

        private final List<Integer> sent = new ArrayList<>();
        private int room = 1000;
        private int roomOffers;
        private int breaks;
        private boolean dtr;

        @Override
        public void plug(SerialPort port) {}

        @Override
        public boolean send(int value) {
            if (room == 0) {
                return false;
            }
            room--;
            sent.add(value);
            return true;
        }

        @Override
        public void room() {
            roomOffers++;
        }

        @Override
        public void lines(boolean nowDtr, boolean rts) {
            dtr = nowDtr;
        }

        @Override
        public void sendBreak() {
            breaks++;
        }

        @Override
        public void close() {}
    }
}
