package org.vfio4j.i40evfiopci;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MEMORY;
import static org.vfio4j.uapi.Vfio.*;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.vfio4j.avfdriver.AvfDriver;
import org.vfio4j.avfdriver.AvfRegisters;
import org.vfio4j.avfdriver.AvfRing;
import org.vfio4j.testkit.GuestMemory;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioMigrationState;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/**
 * A virtual machine with one function, that its monitor can move: the guest's driver, and what a monitor does with migration v2.
 * Used by one thread.
 */
final class Vm implements AutoCloseable {

    static final int RING = 64;
    static final int BUFFER = 2048;
    private static final long GUEST_BYTES = 4 << 20;
    private static final int ADMIN_ENTRIES = 16;
    private static final int FRAME_BYTES = 600;
    private static final int NUMBER_AT = 14;

    final byte[] mac;
    final AvfDriver driver;
    final GuestMemory memory = new GuestMemory(GUEST_BYTES);
    AvfRing tx;
    AvfRing rx;
    VfioUserClient device;

    private final MemorySegment scratch = Arena.ofAuto().allocate(1 << 20, 8);

    /** Connects to a function and has the guest's driver start it. */
    Vm(Path socket, int number) {
        mac = new byte[] {2, 0, 0, 0, 0, (byte) number};
        attach(socket);
        driver = new AvfDriver(registers(), memory);
        tx = AvfRing.transmit(driver, 0, RING, BUFFER);
        rx = AvfRing.receive(driver, 0, RING, BUFFER);
        driver.openAdminQueues(ADMIN_ENTRIES);
        driver.negotiate();
        driver.start(tx, rx);
        driver.awaitEvent();
    }

    /** The function's registers, through whatever device the machine has now. */
    AvfRegisters registers() {
        return new AvfRegisters() {
            @Override
            public int read(int offset) {
                device.read(VFIO_PCI_BAR0_REGION_INDEX, offset, scratch, 0, Integer.BYTES);
                return scratch.get(JAVA_INT_UNALIGNED, 0);
            }

            @Override
            public void write(int offset, int value) {
                scratch.set(JAVA_INT_UNALIGNED, 0, value);
                device.write(VFIO_PCI_BAR0_REGION_INDEX, offset, scratch, 0, Integer.BYTES);
            }
        };
    }

    /** A new connection, with the machine's memory and bus mastering. */
    void attach(Path socket) {
        device = VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS);
        map(memory);
        scratch.set(JAVA_INT_UNALIGNED, 0, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
        device.write(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, scratch, 0, Short.BYTES);
    }

    void map(GuestMemory guest) {
        device.dmaMap(GuestMemory.BASE, guest.halfBytes(), GuestMemory.READ_WRITE, guest.memory(), 0);
    }

    /** Stops here and goes on at another server. */
    void migrate(Path socket) {
        VfioUserClient source = device;
        setState(source, VfioMigrationState.STOP_COPY);
        byte[] state = readState(source);
        attach(socket);
        setState(device, VfioMigrationState.RESUMING);
        writeState(device, state);
        setState(device, VfioMigrationState.RUNNING);
        source.close();
    }

    void setState(VfioDeviceFile file, VfioMigrationState state) {
        scratch.set(JAVA_INT_UNALIGNED, FeatureMigState.DEVICE_STATE, state.ordinal());
        scratch.set(JAVA_INT_UNALIGNED, FeatureMigState.DATA_FD, -1);
        file.feature(
                VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE | VFIO_DEVICE_FEATURE_SET,
                scratch.asSlice(0, FeatureMigState.SIZEOF));
    }

    byte[] readState(VfioDeviceFile file) {
        ByteArrayOutputStream state = new ByteArrayOutputStream();
        int count;
        do {
            count = file.migrationRead(scratch, 0, 1000);
            state.writeBytes(scratch.asSlice(0, count).toArray(JAVA_BYTE));
        } while (count > 0);
        return state.toByteArray();
    }

    void writeState(VfioDeviceFile file, byte[] state) {
        MemorySegment.copy(state, 0, scratch, JAVA_BYTE, 0, state.length);
        file.migrationWrite(scratch, 0, state.length);
    }

    void startLogging() {
        MemorySegment request = scratch.asSlice(0, 16);
        request.fill((byte) 0);
        request.set(JAVA_LONG_UNALIGNED, 0, 4096);
        device.feature(VFIO_DEVICE_FEATURE_DMA_LOGGING_START | VFIO_DEVICE_FEATURE_SET, request);
    }

    /** The guest's driver resets the function and starts it again, with other rings. */
    void restart() {
        if (driver.registers().read(AvfDriver.ATQLEN) != 0) {
            // Nobody answers.
            driver.prepare(AvfDriver.SEND_MSG_TO_PF, AvfDriver.OP_RESET_VF, new byte[0]);
            driver.ring();
        }
        AvfDriver.await("the end of the reset", () -> driver.registers().read(AvfDriver.ATQLEN) == 0);
        tx = AvfRing.transmit(driver, 0, RING, BUFFER);
        rx = AvfRing.receive(driver, 0, RING, BUFFER);
        driver.openAdminQueues(ADMIN_ENTRIES);
        driver.negotiate();
        driver.start(tx, rx);
        driver.awaitEvent();
    }

    /** Posts what the receive ring has got back, by a write of two tail registers at once. */
    void writeTailWide() {
        scratch.set(JAVA_LONG_UNALIGNED, 0, rx.next());
        device.write(VFIO_PCI_BAR0_REGION_INDEX, TailTracking.RX_TAILS, scratch, 0, Long.BYTES);
    }

    /** The pages of the guest's memory that the device has written since the last report, by number. */
    List<Integer> dirtyPages() {
        int pages = (int) (memory.halfBytes() / 4096);
        MemorySegment report = scratch.asSlice(0, 24 + pages / 8);
        report.fill((byte) 0);
        report.set(JAVA_LONG_UNALIGNED, 0, GuestMemory.BASE);
        report.set(JAVA_LONG_UNALIGNED, 8, memory.halfBytes());
        report.set(JAVA_LONG_UNALIGNED, 16, 4096);
        device.feature(VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT | VFIO_DEVICE_FEATURE_GET, report);
        List<Integer> dirty = new ArrayList<>();
        for (int page = 0; page < pages; page++) {
            if ((report.get(JAVA_BYTE, 24 + page / 8) >> page % 8 & 1) != 0) {
                dirty.add(page);
            }
        }
        return dirty;
    }

    /** A frame to another machine that says which it is. */
    byte[] frameTo(Vm other, int number) {
        return ByteBuffer.allocate(FRAME_BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put(other.mac)
                .put(mac)
                .putShort((short) 0xb588)
                .putInt(number)
                .array();
    }

    static int number(byte[] frame) {
        return ByteBuffer.wrap(frame).order(ByteOrder.LITTLE_ENDIAN).getInt(NUMBER_AT);
    }

    @Override
    public void close() {
        device.close();
        memory.close();
    }
}
