package org.vfio4j.fuzz;

import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.uapi.Vfio.*;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.testkit.Payload;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioIrqSet;

/**
 * What a user may do to registers: a record is an operation, a region, an offset (16 bits) and data. Reads and writes of any
 * region, irq set-up and reset; configuration space is checked for what must never change.
 */
final class ConfigTarget implements FuzzTarget {

    static final int WRITE = 0;
    static final int READ = 1;
    static final int IRQS = 2;
    static final int RESET = 3;

    private static final int STEP_HEADER = 4;
    private static final int MAX_CAPABILITIES = 48;

    private final TestDisk disk = new TestDisk();
    private final LocalDeviceFile file = disk.open();
    private final int ids = config(PCI_VENDOR_ID, 4);

    @Override
    public List<byte[]> corpus() {
        List<byte[]> rows = new ArrayList<>();
        // Each register of the header and of each capability, written with ones, with zeroes, and as it is.
        List<byte[]> ones = new ArrayList<>();
        List<byte[]> zeroes = new ArrayList<>();
        List<byte[]> same = new ArrayList<>();
        for (int at = 0; at < 256; at += 4) {
            ones.add(step(WRITE, VFIO_PCI_CONFIG_REGION_INDEX, at, -1, 4));
            zeroes.add(step(WRITE, VFIO_PCI_CONFIG_REGION_INDEX, at, 0, 4));
            same.add(step(WRITE, VFIO_PCI_CONFIG_REGION_INDEX, at, config(at, 4), 4));
            rows.add(Records.join(
                    step(WRITE, VFIO_PCI_CONFIG_REGION_INDEX, at, -1, 4),
                    step(READ, VFIO_PCI_CONFIG_REGION_INDEX, at, 0, 4)));
        }
        rows.add(Records.join(ones));
        rows.add(Records.join(zeroes));
        rows.add(Records.join(same));
        int irqs = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
        rows.add(Records.join(
                step(IRQS, VFIO_PCI_MSIX_IRQ_INDEX, irqs << 8, 2, 1),
                step(WRITE, 1, 0x0c, 0, 4),
                step(IRQS, VFIO_PCI_INTX_IRQ_INDEX, irqs << 8, 1, 1),
                step(READ, 4, 0, 0, 56),
                step(RESET, 0, 0, 0, 0)));
        return rows;
    }

    @Override
    public Mutator mutator() {
        return Mutator.RECORDS;
    }

    @Override
    public long run(byte[] input) {
        long outcome = 0;
        for (byte[] record : Records.split(input)) {
            int errno = 0;
            try {
                operate(record);
            } catch (ErrnoException e) {
                errno = e.errno();
            }
            outcome = outcome * 31 + errno;
        }
        checkInvariants();
        for (int at = 0; at < 256; at += 4) {
            outcome = outcome * 31 + config(at, 4);
        }
        return outcome;
    }

    @Override
    public void checkWorks() {
        file.reset();
        checkInvariants();
    }

    @Override
    public void close() {
        file.close();
        disk.close();
    }

    private void operate(byte[] record) {
        if (record.length < STEP_HEADER) {
            return;
        }
        int region = record[1];
        int offset = (record[2] & 0xff) | (record[3] & 0xff) << 8;
        MemorySegment data = MemorySegment.ofArray(Arrays.copyOfRange(record, STEP_HEADER, record.length));
        int count = (int) data.byteSize();
        switch (record[0] & 3) {
            case WRITE -> file.write(region, offset, data, 0, count);
            case READ -> file.read(region, offset, data, 0, count);
            case IRQS -> setIrqs(region, offset, count == 0 ? 0 : data.get(ValueLayout.JAVA_BYTE, 0));
            default -> file.reset();
        }
    }

    private void setIrqs(int index, int flagsAndStart, int count) {
        int flags = flagsAndStart >>> 8;
        List<Fd> fds = new ArrayList<>();
        if ((flags & VFIO_IRQ_SET_DATA_EVENTFD) != 0) {
            for (int i = 0; i < Math.min(count, 8); i++) {
                fds.add(EventFd.create());
            }
        }
        file.setIrqs(VfioIrqSet.eventFds(flags, index, flagsAndStart & 0xff, count, fds));
    }

    private void checkInvariants() {
        if (config(PCI_VENDOR_ID, 4) != ids || (config(PCI_HEADER_TYPE, 1) & 0x7f) != PCI_HEADER_TYPE_NORMAL) {
            throw new AssertionError("the ids or the header type of configuration space have changed");
        }
        int steps = 0;
        for (int at = config(PCI_CAPABILITY_LIST, 1); at != 0; at = config((at & 0xfc) + 1, 1)) {
            if (++steps > MAX_CAPABILITIES) {
                throw new AssertionError("the chain of capabilities has no end");
            }
        }
    }

    private int config(int offset, int width) {
        MemorySegment data = MemorySegment.ofArray(new byte[4]);
        file.read(VFIO_PCI_CONFIG_REGION_INDEX, offset, data, 0, width);
        return data.get(ValueLayout.JAVA_INT_UNALIGNED, 0);
    }

    private static byte[] step(int operation, int region, int offset, long value, int width) {
        Payload payload = new Payload().bytes((byte) operation, (byte) region).u16(offset);
        byte[] data = Arrays.copyOf(new Payload().u64(value).toBytes(), width);
        return payload.bytes(data).toBytes();
    }
}
