package org.vfio4j.serialcard;

/** Registers and bits of a 16550A, named as linux/serial_reg.h names them (National PC16550D, 8). */
final class UartRegs {

    /** Received data when read, data to send when written; the divisor's low byte while {@link #UART_LCR_DLAB} is set. */
    static final int UART_RX = 0;

    /** Interrupt enable; the divisor's high byte while {@link #UART_LCR_DLAB} is set. */
    static final int UART_IER = 1;

    static final int UART_IER_RDI = 0x01;
    static final int UART_IER_THRI = 0x02;
    static final int UART_IER_RLSI = 0x04;
    static final int UART_IER_MSI = 0x08;
    static final int UART_IER_ALL = 0x0f;

    /** Interrupt identification when read, FIFO control when written. */
    static final int UART_IIR = 2;

    static final int UART_IIR_NO_INT = 0x01;
    static final int UART_IIR_MSI = 0x00;
    static final int UART_IIR_THRI = 0x02;
    static final int UART_IIR_RDI = 0x04;
    static final int UART_IIR_RLSI = 0x06;
    static final int UART_IIR_RX_TIMEOUT = 0x0c;
    static final int UART_IIR_FIFO_ENABLED = 0xc0;

    static final int UART_FCR_ENABLE_FIFO = 0x01;
    static final int UART_FCR_CLEAR_RCVR = 0x02;
    static final int UART_FCR_CLEAR_XMIT = 0x04;
    static final int UART_FCR_TRIGGER_SHIFT = 6;
    static final int UART_FCR_KEPT = 0xc9;

    static final int UART_LCR = 3;
    static final int UART_LCR_SBC = 0x40;
    static final int UART_LCR_DLAB = 0x80;

    static final int UART_MCR = 4;
    static final int UART_MCR_DTR = 0x01;
    static final int UART_MCR_RTS = 0x02;
    static final int UART_MCR_OUT1 = 0x04;
    static final int UART_MCR_OUT2 = 0x08;
    static final int UART_MCR_LOOP = 0x10;
    static final int UART_MCR_ALL = 0x1f;

    static final int UART_LSR = 5;
    static final int UART_LSR_DR = 0x01;
    static final int UART_LSR_OE = 0x02;
    static final int UART_LSR_BI = 0x10;
    static final int UART_LSR_THRE = 0x20;
    static final int UART_LSR_TEMT = 0x40;
    static final int UART_LSR_FIFOE = 0x80;

    static final int UART_MSR = 6;
    static final int UART_MSR_TERI = 0x04;
    static final int UART_MSR_CTS = 0x10;
    static final int UART_MSR_DSR = 0x20;
    static final int UART_MSR_RI = 0x40;
    static final int UART_MSR_DCD = 0x80;
    static final int UART_MSR_LINES = 0xf0;

    static final int UART_SCR = 7;

    /** How many there are. */
    static final int COUNT = 8;

    private UartRegs() {}
}
