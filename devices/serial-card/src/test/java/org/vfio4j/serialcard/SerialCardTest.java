package org.vfio4j.serialcard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.vfio4j.serialcard.UartRegs.*;
import static org.vfio4j.sys.Errno.EINVAL;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.bus.PciBar;
import org.vfio4j.devicemodel.EmulatedFunction;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.sys.ErrnoException;

/** The card as a function: ids, BARs, the shared interrupt, and its state as it moves. */
final class SerialCardTest {

    private static final int FIFO_ON = UART_FCR_ENABLE_FIFO;

    private final SerialCard card = new SerialCard(2);
    private final EmulatedFunction function = card.function();

    @Test
    void hasTheIdsOfTheKernelsSample() {
        assertThat(function.configRead(0x00, 4)).isEqualTo(0x32534348);
        assertThat(function.configRead(0x08, 4)).isEqualTo(0x07000210);
        assertThat(function.configRead(0x2c, 4)).isEqualTo(0x32534348);
        assertThat(function.configRead(0x3d, 1)).isEqualTo(1);
        assertThat(function.configRead(0x34, 1)).isZero();
        assertThat(function.bars())
                .containsExactly(new PciBar(0, 8, PciBar.Kind.IO, false), new PciBar(1, 8, PciBar.Kind.IO, false));
        assertThat(new SerialCard(1).function().bars()).hasSize(1);
        assertThrows(IllegalArgumentException.class, () -> new SerialCard(0));
        assertThrows(IllegalArgumentException.class, () -> new SerialCard(3));
    }

    @Test
    void portsShareTheInterrupt() {
        List<Boolean> pin = new ArrayList<>();
        function.connectIrqs(new IrqSink() {
            @Override
            public void msi(int vector) {
                throw new AssertionError("this card has no messages");
            }

            @Override
            public void intx(boolean asserted) {
                pin.add(asserted);
            }
        });
        pin.clear();
        write(0, UART_IER, UART_IER_THRI);
        write(1, UART_IER, UART_IER_THRI);
        assertThat(pin).containsExactly(true);
        read(0, UART_IIR);
        assertThat(pin).containsExactly(true);
        read(1, UART_IIR);
        assertThat(pin).containsExactly(true, false);
    }

    @Test
    void aWideAccessIsOneOfSeveralRegisters() {
        function.barWrite(1, 4, 4, 0x5a00_000bL);
        assertThat(read(1, UART_MCR)).isEqualTo(0x0b);
        assertThat(read(1, UART_SCR)).isEqualTo(0x5a);
        assertThat(function.barRead(1, 4, 4)).isEqualTo(0x5a00_600bL);
        assertThat(read(0, UART_SCR)).isZero();
    }

    @Test
    void itsStateMovesWithRegistersAndFifos() {
        card.plug(0, new LoopbackPlug());
        write(0, UART_IIR, FIFO_ON | 0x80);
        write(0, UART_LCR, UART_LCR_DLAB);
        write(0, UART_RX, 12);
        write(0, UART_LCR, 3);
        write(0, UART_SCR, 0x77);
        write(0, UART_IER, UART_IER_RDI);
        for (char c : "hello".toCharArray()) {
            write(0, UART_RX, c);
        }
        write(1, UART_IIR, FIFO_ON);
        card.state().suspend();
        write(1, UART_RX, 'q');

        SerialCard other = new SerialCard(2);
        List<Boolean> pin = new ArrayList<>();
        other.function().connectIrqs(new IrqSink() {
            @Override
            public void msi(int vector) {}

            @Override
            public void intx(boolean asserted) {
                pin.add(asserted);
            }
        });
        pin.clear();
        other.state().suspend();
        other.state().load(card.state().save());
        assertThat(other.state().save()).isEqualTo(card.state().save());
        assertThat(pin).isEmpty();
        other.plug(1, new LoopbackPlug());
        other.state().resume();
        assertThat(pin).containsExactly(true);
        assertThat(other.baud(0)).isEqualTo(9600);
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 5; i++) {
            text.append((char) other.function().barRead(0, UART_RX, 1));
        }
        assertThat(text).hasToString("hello");
        // What waited in the transmitter was sent when the card went on.
        assertThat(other.function().barRead(1, UART_RX, 1)).isEqualTo('q');
        assertThat(other.function().barRead(0, UART_SCR, 1)).isEqualTo(0x77);
    }

    @Test
    void theFunctionGivesItsState() {
        FunctionState state = function.platform(FunctionState.class).orElseThrow();
        assertThat(state.save()).hasSize(state.sizeBytes());
        assertThat(card.state().header()).isEqualTo(Arrays.copyOf(state.save(), SerialCardState.HEADER_BYTES));
    }

    @Test
    void refusesWhatIsNoStateOfSuchACardAndStaysAsItWas() {
        write(0, UART_SCR, 0x42);
        byte[] before = card.state().save();
        refuses(new SerialCard(1).state().save());
        refuses(Arrays.copyOf(before, before.length - 1));
        refuses(Arrays.copyOf(before, before.length + 1));
        refuses(new byte[0]);
        Random random = new Random(7);
        for (int i = 0; i < before.length; i++) {
            byte[] damaged = before.clone();
            damaged[i] ^= (byte) (1 << random.nextInt(8));
            refuses(damaged);
        }
        assertThat(card.state().save()).isEqualTo(before);
    }

    @Test
    void aHeaderThatIsAnothersIsToldBeforeTheStateComes() {
        byte[] header = card.state().header();
        card.state().checkHeader(header);
        assertThat(assertThrows(
                        ErrnoException.class,
                        () -> card.state().checkHeader(new SerialCard(1).state().header())))
                .hasMessageContaining("1 ports, this card has 2");
        header[8] = 1;
        assertThat(assertThrows(ErrnoException.class, () -> card.state().checkHeader(header)))
                .hasMessageContaining("version 1.0, this card reads 2.0");
    }

    @Test
    void aResetEndsASuspension() {
        card.plug(0, new LoopbackPlug());
        card.state().suspend();
        function.reset();
        write(0, UART_RX, 'x');
        assertThat(read(0, UART_RX)).isEqualTo('x');
    }

    /** With a checksum that is right, so that the ports themselves are looked at. */
    @Test
    void anythingAGuestCanWriteIsAStateThatLoads() {
        Random random = new Random(11);
        SerialCard other = new SerialCard(2);
        card.plug(0, new LoopbackPlug());
        card.plug(1, new LoopbackPlug());
        for (int round = 0; round < 2_000; round++) {
            int width = 1 << random.nextInt(3);
            int offset = random.nextInt(8 / width) * width;
            if (random.nextBoolean()) {
                function.barWrite(random.nextInt(2), offset, width, random.nextLong());
            } else {
                function.barRead(random.nextInt(2), offset, width);
            }
            other.state().load(card.state().save());
        }
    }

    private void refuses(byte[] state) {
        assertThat(assertThrows(ErrnoException.class, () -> card.state().load(state))
                        .errno())
                .isEqualTo(EINVAL);
    }

    private void write(int bar, int register, int value) {
        function.barWrite(bar, register, 1, value);
    }

    private int read(int bar, int register) {
        return (int) function.barRead(bar, register, 1);
    }
}
