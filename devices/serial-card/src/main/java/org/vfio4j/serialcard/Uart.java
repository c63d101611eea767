package org.vfio4j.serialcard;

import static org.vfio4j.serialcard.UartRegs.*;

import java.nio.ByteBuffer;

/**
 * A 16550A (National PC16550D): eight registers, two FIFOs, and a line at which a {@link SerialPeer} is. It sends as fast as the
 * peer takes it, whatever the divisor says, and a character that waits below the trigger level is a timeout at once: there is no
 * clock. Safe for all threads: the one that accesses the registers, and the peer's.
 */
final class Uart implements SerialPort, AutoCloseable {

    /** What {@link #save} writes. */
    static final int STATE_BYTES = 10 + 2 * ByteFifo.STATE_BYTES;

    private static final int[] TRIGGERS = {1, 4, 8, 14};
    private static final int FLAG_OVERRUN = 1;
    private static final int FLAG_THR_EMPTY = 2;
    private static final int NEVER_SET = 0xff;

    private final Runnable interruptChanged;

    // Guarded by this.
    private final ByteFifo rx = new ByteFifo();
    private final ByteFifo tx = new ByteFifo();
    private SerialPeer peer = SerialPeer.NONE;
    private int ier;
    private int fcr;
    private int lcr;
    private int mcr;
    private int scr;
    private int divisor;
    private int lines;
    private int deltas;
    private boolean overrun;
    private boolean thrEmptied;
    private boolean stopped;
    private boolean peerWaits;

    private volatile boolean pending;

    /** @param interruptChanged called, under this port's lock, when {@link #isPending} has changed */
    Uart(Runnable interruptChanged) {
        this.interruptChanged = interruptChanged;
    }

    /** Whether it has an interrupt to report. */
    boolean isPending() {
        return pending;
    }

    /** Bits per second, as the divisor says at a clock of 1.8432 MHz; 0 for a divisor of 0. */
    synchronized int baud() {
        return divisor == 0 ? 0 : 115_200 / divisor;
    }

    synchronized SerialPeer peer() {
        return peer;
    }

    /** Plugs another peer in. Returns the one before, which the caller closes. */
    synchronized SerialPeer plug(SerialPeer newPeer) {
        SerialPeer before = peer;
        peer = newPeer;
        peerWaits = false;
        setLines(0);
        newPeer.plug(this);
        tellLines();
        pump();
        update();
        return before;
    }

    synchronized int read(int register) {
        int value = switch (register) {
            case UART_RX -> isDivisorLatched() ? divisor & 0xff : takeReceived();
            case UART_IER -> isDivisorLatched() ? divisor >>> 8 : ier;
            case UART_IIR -> identify();
            case UART_LCR -> lcr;
            case UART_MCR -> mcr;
            case UART_LSR -> takeLineStatus();
            case UART_MSR -> takeModemStatus();
            default -> scr;
        };
        update();
        return value;
    }

    synchronized void write(int register, int value) {
        switch (register) {
            case UART_RX -> writeData(value);
            case UART_IER -> writeEnable(value);
            case UART_IIR -> writeFifoControl(value);
            case UART_LCR -> writeLineControl(value);
            case UART_MCR -> writeModemControl(value & UART_MCR_ALL);
            case UART_SCR -> scr = value;
            default -> {
                // Line and modem status are only read.
            }
        }
        update();
    }

    /** The state after power-on; what is plugged in stays. */
    synchronized void reset() {
        rx.clear();
        tx.clear();
        ier = 0;
        fcr = 0;
        lcr = 0;
        mcr = 0;
        scr = 0;
        divisor = 0;
        deltas = 0;
        overrun = false;
        thrEmptied = false;
        stopped = false;
        tellLines();
        deltas = 0;
        offerRoom();
        update();
    }

    /** Neither sends nor receives until it is told to go on; or goes on. */
    synchronized void setStopped(boolean stop) {
        stopped = stop;
        if (!stop) {
            pump();
            offerRoom();
            update();
        }
    }

    /** Writes {@link #STATE_BYTES}. */
    synchronized void save(ByteBuffer out) {
        out.put((byte) ier).put((byte) fcr).put((byte) lcr).put((byte) mcr).put((byte) scr);
        out.putShort((short) divisor);
        out.put((byte) lines).put((byte) deltas);
        out.put((byte) ((overrun ? FLAG_OVERRUN : 0) | (thrEmptied ? FLAG_THR_EMPTY : 0)));
        rx.save(out);
        tx.save(out);
    }

    /**
     * Takes over a state, but for the peer and its lines: where those differ, that is a change of the lines.
     *
     * @return false when it is none: this port is of no use then
     */
    synchronized boolean load(ByteBuffer in) {
        ier = in.get() & NEVER_SET;
        fcr = in.get() & NEVER_SET;
        lcr = in.get() & NEVER_SET;
        mcr = in.get() & NEVER_SET;
        scr = in.get() & NEVER_SET;
        divisor = in.getShort() & 0xffff;
        int linesNow = lines;
        lines = in.get() & NEVER_SET;
        deltas = in.get() & NEVER_SET;
        int flags = in.get();
        overrun = (flags & FLAG_OVERRUN) != 0;
        thrEmptied = (flags & FLAG_THR_EMPTY) != 0;
        boolean whole = rx.load(in) & tx.load(in);
        boolean legal = (ier & ~UART_IER_ALL) == 0
                && (fcr & ~UART_FCR_KEPT) == 0
                && (mcr & ~UART_MCR_ALL) == 0
                && ((lines & ~UART_MSR_LINES) | (deltas & UART_MSR_LINES)) == 0
                && (flags & ~(FLAG_OVERRUN | FLAG_THR_EMPTY)) == 0;
        setLines(linesNow);
        tellLines();
        update();
        return whole && legal;
    }

    @Override
    public synchronized int receive(byte[] from, int at, int count) {
        int taken = 0;
        while (taken < count && !stopped && !isLooped() && rx.count() < depth()) {
            rx.add(from[at + taken], false);
            taken++;
        }
        peerWaits = taken < count;
        update();
        return taken;
    }

    /** A character comes whether there is room or not. */
    synchronized void receiveAnyway(int value) {
        if (rx.count() < depth()) {
            rx.add(value, false);
        } else {
            overrun = true;
        }
        update();
    }

    @Override
    public synchronized void receiveBreak() {
        if (rx.count() < depth()) {
            rx.add(0, true);
        } else {
            overrun = true;
        }
        update();
    }

    @Override
    public synchronized void lines(boolean cts, boolean dsr, boolean dcd) {
        setLines((cts ? UART_MSR_CTS : 0) | (dsr ? UART_MSR_DSR : 0) | (dcd ? UART_MSR_DCD : 0));
        update();
    }

    @Override
    public synchronized void drain() {
        pump();
        update();
    }

    /** Pulls the cable. */
    @Override
    public void close() {
        plug(SerialPeer.NONE).close();
    }

    private boolean isDivisorLatched() {
        return (lcr & UART_LCR_DLAB) != 0;
    }

    private boolean isLooped() {
        return (mcr & UART_MCR_LOOP) != 0;
    }

    private boolean hasFifos() {
        return (fcr & UART_FCR_ENABLE_FIFO) != 0;
    }

    private int depth() {
        return hasFifos() ? ByteFifo.DEPTH : 1;
    }

    private int takeReceived() {
        int value = rx.take();
        offerRoom();
        return value;
    }

    private int takeLineStatus() {
        int status = (rx.isEmpty() ? 0 : UART_LSR_DR)
                | (tx.isEmpty() ? UART_LSR_THRE | UART_LSR_TEMT : 0)
                | (hasFifos() && rx.anyMarked() ? UART_LSR_FIFOE : 0)
                | errors();
        overrun = false;
        rx.unmark();
        return status;
    }

    private int errors() {
        return (overrun ? UART_LSR_OE : 0) | (rx.isMarked() ? UART_LSR_BI : 0);
    }

    private int takeModemStatus() {
        int status = inputs() | deltas;
        deltas = 0;
        return status;
    }

    /** The input lines: the cable's, or in loop mode the output lines. */
    private int inputs() {
        if (!isLooped()) {
            return lines;
        }
        return ((mcr & UART_MCR_RTS) != 0 ? UART_MSR_CTS : 0)
                | ((mcr & UART_MCR_DTR) != 0 ? UART_MSR_DSR : 0)
                | ((mcr & UART_MCR_OUT1) != 0 ? UART_MSR_RI : 0)
                | ((mcr & UART_MCR_OUT2) != 0 ? UART_MSR_DCD : 0);
    }

    private int identify() {
        int cause = cause();
        if (cause == UART_IIR_THRI) {
            thrEmptied = false;
        }
        return cause | (hasFifos() ? UART_IIR_FIFO_ENABLED : 0);
    }

    /** What to report, the most urgent first. */
    private int cause() {
        if ((ier & UART_IER_RLSI) != 0 && errors() != 0) {
            return UART_IIR_RLSI;
        }
        if ((ier & UART_IER_RDI) != 0 && !rx.isEmpty()) {
            int trigger = hasFifos() ? TRIGGERS[fcr >>> UART_FCR_TRIGGER_SHIFT] : 1;
            return rx.count() >= trigger ? UART_IIR_RDI : UART_IIR_RX_TIMEOUT;
        }
        if ((ier & UART_IER_THRI) != 0 && thrEmptied) {
            return UART_IIR_THRI;
        }
        return (ier & UART_IER_MSI) != 0 && deltas != 0 ? UART_IIR_MSI : UART_IIR_NO_INT;
    }

    private void writeData(int value) {
        if (isDivisorLatched()) {
            divisor = (divisor & 0xff00) | value;
            return;
        }
        thrEmptied = false;
        if (tx.count() < depth()) {
            tx.add(value, false);
        }
        pump();
    }

    private void writeEnable(int value) {
        if (isDivisorLatched()) {
            divisor = (divisor & 0xff) | (value << 8);
            return;
        }
        boolean wantsEmpty = (value & ~ier & UART_IER_THRI) != 0;
        ier = value & UART_IER_ALL;
        if (wantsEmpty && tx.isEmpty()) {
            thrEmptied = true;
        }
    }

    private void writeFifoControl(int value) {
        boolean toggled = ((value ^ fcr) & UART_FCR_ENABLE_FIFO) != 0;
        // The other bits take part only in a write that has the FIFOs on.
        boolean on = (value & UART_FCR_ENABLE_FIFO) != 0;
        fcr = on ? value & UART_FCR_KEPT : 0;
        if (toggled || (on && (value & UART_FCR_CLEAR_RCVR) != 0)) {
            rx.clear();
        }
        if (toggled || (on && (value & UART_FCR_CLEAR_XMIT) != 0)) {
            thrEmptied |= !tx.isEmpty();
            tx.clear();
        }
        offerRoom();
    }

    private void writeLineControl(int value) {
        boolean breaks = (value & ~lcr & UART_LCR_SBC) != 0;
        lcr = value;
        if (breaks && isLooped()) {
            receiveBreak();
        } else if (breaks) {
            peer.sendBreak();
        }
    }

    private void writeModemControl(int value) {
        int before = inputs();
        mcr = value;
        noteChange(before, inputs());
        tellLines();
        pump();
        offerRoom();
    }

    private void setLines(int now) {
        int before = inputs();
        lines = now;
        noteChange(before, inputs());
    }

    private void noteChange(int before, int now) {
        int changed = (before ^ now) >>> 4;
        // Of the ring indicator only the end counts.
        boolean ringEnds = (before & ~now & UART_MSR_RI) != 0;
        deltas |= (changed & ~UART_MSR_TERI) | (ringEnds ? UART_MSR_TERI : 0);
    }

    private void tellLines() {
        // In loop mode the outputs are inactive.
        peer.lines(!isLooped() && (mcr & UART_MCR_DTR) != 0, !isLooped() && (mcr & UART_MCR_RTS) != 0);
    }

    /** Sends what waits, as far as it goes. */
    private void pump() {
        while (!tx.isEmpty() && !stopped) {
            int value = tx.peek();
            if (isLooped()) {
                receiveAnyway(value);
            } else if (!peer.send(value)) {
                return;
            }
            tx.take();
            thrEmptied = tx.isEmpty();
        }
    }

    private void offerRoom() {
        if (peerWaits && !stopped && !isLooped() && rx.count() < depth()) {
            peerWaits = false;
            peer.room();
        }
    }

    private void update() {
        boolean now = cause() != UART_IIR_NO_INT;
        if (now != pending) {
            pending = now;
            interruptChanged.run();
        }
    }
}
