package org.vfio4j.serialcard;

import java.util.List;
import java.util.stream.IntStream;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.PciBar;
import org.vfio4j.devicemodel.BarHandler;
import org.vfio4j.devicemodel.DeviceModel;
import org.vfio4j.devicemodel.EmulatedFunction;
import org.vfio4j.devicemodel.EmulatedFunctionBuilder;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.devicemodel.Interrupts;

/**
 * A serial card as a PCI function: 16550A ports, each in an I/O BAR of its own, which share the interrupt pin. It has the ids of
 * WCH's CH352, which Linux's 8250_pci drives, and which the kernel's mtty sample has too. Such a card has no capabilities, and does
 * no DMA.
 *
 * <p>The thread that accesses the function, and those of the ports' peers, may come at any time.
 */
public final class SerialCard implements AutoCloseable {

    /** How many ports it can have: what the CH352 has. */
    public static final int MAX_PORTS = 2;

    /** {@code PCI_VENDOR_ID_WCHCN}, of card and subsystem. */
    public static final int VENDOR_ID = 0x4348;

    /** {@code PCI_DEVICE_ID_WCHCN_CH352_2S}, of card and subsystem. */
    public static final int DEVICE_ID = 0x3253;

    private static final int CLASS_SERIAL_16550 = 0x070002;
    private static final int REVISION = 0x10;

    private final List<Uart> ports;
    private final SerialCardState state;
    private final EmulatedFunction function;
    private final Interrupts interrupts;

    // Guarded by this.
    private boolean suspended;

    /** @param ports 1 to {@link #MAX_PORTS}; nothing is plugged in */
    public SerialCard(int ports) {
        if (ports < 1 || ports > MAX_PORTS) {
            throw new IllegalArgumentException("a serial card with " + ports + " ports: 1 to " + MAX_PORTS);
        }
        this.ports = IntStream.range(0, ports)
                .mapToObj(index -> new Uart(this::drive))
                .toList();
        this.state = new SerialCardState(this.ports, this::setSuspended);
        EmulatedFunctionBuilder builder = new EmulatedFunctionBuilder(VENDOR_ID, DEVICE_ID)
                .subsystem(VENDOR_ID, DEVICE_ID)
                .classCode(CLASS_SERIAL_16550, REVISION)
                .intx()
                .platform(FunctionState.class, state);
        for (int i = 0; i < ports; i++) {
            builder.bar(new PciBar(i, UartRegs.COUNT, PciBar.Kind.IO, false), new Registers(this.ports.get(i)));
        }
        this.function = builder.build(new Model());
        this.interrupts = function.interrupts();
    }

    /** What to plug into a bus, or to give to vfio-pci-core. */
    public EmulatedFunction function() {
        return function;
    }

    /** How many ports it has. */
    public int ports() {
        return ports.size();
    }

    /** How its state moves to another card. */
    public SerialCardState state() {
        return state;
    }

    /**
     * Plugs a port's cable into another peer, which the card closes from then on; the one before is closed.
     *
     * @param port from 0
     */
    public void plug(int port, SerialPeer peer) {
        ports.get(port).plug(peer).close();
    }

    /** What a port is plugged into. */
    public SerialPeer peer(int port) {
        return ports.get(port).peer();
    }

    /** Bits per second of a port, as its driver has set them; 0 as long as it has not. */
    public int baud(int port) {
        return ports.get(port).baud();
    }

    /** Pulls all cables. */
    @Override
    public void close() {
        ports.forEach(Uart::close);
    }

    private void drive() {
        synchronized (this) {
            if (!suspended) {
                interrupts.intx(ports.stream().anyMatch(Uart::isPending));
            }
        }
    }

    private void setSuspended(boolean now) {
        synchronized (this) {
            suspended = now;
        }
        ports.forEach(port -> port.setStopped(now));
        drive();
    }

    /** The registers of one port; an access of more than a byte is one of several registers, as on a bus for 8-bit devices. */
    private record Registers(Uart port) implements BarHandler {

        @Override
        public long read(long offset, int width) {
            long value = 0;
            for (int i = 0; i < width; i++) {
                value |= (long) port.read((int) offset + i) << (Byte.SIZE * i);
            }
            return value;
        }

        @Override
        public void write(long offset, int width, long value) {
            for (int i = 0; i < width; i++) {
                port.write((int) offset + i, (int) (value >>> (Byte.SIZE * i)) & 0xff);
            }
        }
    }

    private final class Model implements DeviceModel {

        @Override
        public void attachDma(DmaSpace space) {}

        @Override
        public void detachDma() {}

        @Override
        public void reset() {
            ports.forEach(Uart::reset);
            setSuspended(false);
        }

        @Override
        public void busMasterChanged(boolean enabled) {}
    }
}
