package org.vfio4j.i40evf;

import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MEMORY;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.UnaryOperator;
import org.vfio4j.avfdriver.AvfDriver;
import org.vfio4j.avfdriver.AvfRegisters;
import org.vfio4j.avfdriver.AvfRing;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.testkit.GuestMemory;

/** A function with a driver that has its admin queues open, and rings when the test wants them. */
final class Nic implements AutoCloseable {

    static final int RING = 64;
    static final int BUFFER = 2048;
    private static final long GUEST_BYTES = 16 << 20;
    private static final int AQ_ENTRIES = 32;

    /** Offsets of the tests' own making: MSI-X is the first capability, its control behind id and pointer. */
    private static final int MSIX_CONTROL = 0x42;

    private static final int MSIX_ENABLE = 0x8000;

    final I40eVf vf;
    final PciFunction function;
    final GuestMemory memory;
    final AvfDriver driver;
    final List<Integer> messages = new CopyOnWriteArrayList<>();
    final byte[] mac;
    AvfRing tx;
    AvfRing rx;

    Nic(NetworkPort port, int number) {
        this(port, number, builder -> builder);
    }

    Nic(NetworkPort port, int number, UnaryOperator<I40eVf.Builder> options) {
        this(port, number, options, new GuestMemory(GUEST_BYTES));
    }

    private Nic(NetworkPort port, int number, UnaryOperator<I40eVf.Builder> options, GuestMemory memory) {
        vf = options.apply(I40eVf.builder(port).macAddress("02:00:00:00:00:0" + number))
                .build();
        function = vf.function();
        this.memory = memory;
        mac = new byte[] {2, 0, 0, 0, 0, (byte) number};
        connect(function, memory, messages);
        driver = new AvfDriver(AvfRegisters.of(function), memory);
        tx = AvfRing.transmit(driver, 0, RING, BUFFER);
        rx = AvfRing.receive(driver, 0, RING, BUFFER);
    }

    /** A function for {@link #moveTo}, without a driver of its own. */
    static I40eVf destination(NetworkPort port) {
        return I40eVf.builder(port).macAddress("02:00:00:00:00:0f").build();
    }

    /** Messages, bus mastering and memory, as a user's machine has them. */
    static void connect(PciFunction function, GuestMemory memory, List<Integer> messages) {
        function.connectIrqs(new IrqSink() {
            @Override
            public void msi(int vector) {
                messages.add(vector);
            }

            @Override
            public void intx(boolean asserted) {}
        });
        enable(function);
        function.attachDma(memory.space());
    }

    /** Bus mastering and messages, which a reset has taken away. */
    static void enable(PciFunction function) {
        function.configWrite(MSIX_CONTROL, 2, MSIX_ENABLE);
        function.configWrite(PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
    }

    Nic open() {
        driver.openAdminQueues(AQ_ENTRIES);
        return this;
    }

    /** Sends and receives. */
    Nic start() {
        open();
        driver.negotiate();
        driver.start(tx, rx);
        driver.awaitEvent();
        return this;
    }

    int read(int register) {
        return (int) function.barRead(0, register, 4);
    }

    void write(int register, int value) {
        function.barWrite(0, register, 4, value);
    }

    /** A frame to another function, {@code bytes} long, that is numbered. */
    byte[] frameTo(Nic other, int bytes, int number) {
        byte[] frame = new byte[bytes];
        for (int i = 0; i < bytes; i++) {
            frame[i] = (byte) (i * 7 + number);
        }
        System.arraycopy(other.mac, 0, frame, 0, 6);
        System.arraycopy(mac, 0, frame, 6, 6);
        LittleEndian.put32(frame, 14, number);
        return frame;
    }

    /** Waits until the function has done what it was told before: a message goes there and back. */
    void settle() {
        driver.request(AvfDriver.OP_GET_STATS, AvfDriver.select(0, 0));
    }

    @Override
    public void close() {
        function.detachDma();
        vf.close();
        memory.close();
    }
}
