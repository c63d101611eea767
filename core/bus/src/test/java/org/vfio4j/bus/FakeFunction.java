package org.vfio4j.bus;

import static org.vfio4j.uapi.PciRegs.*;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/** A function of writable configuration space, with the BARs and ids it is told to have. */
final class FakeFunction implements PciFunction {

    static final int VENDOR = 0x1af4;
    static final int DEVICE = 0x1042;
    static final int SUBVENDOR = 0x1af4;
    static final int SUBDEVICE = 0x1100;
    static final int CLASS = 0x018000;

    private final ByteBuffer config;
    private final List<PciBar> bars;

    FakeFunction(PciBar... bars) {
        this(256, bars);
    }

    FakeFunction(int configSize, PciBar... bars) {
        this.bars = List.of(bars);
        config = ByteBuffer.allocate(configSize).order(ByteOrder.LITTLE_ENDIAN);
        config.putShort(PCI_VENDOR_ID, (short) VENDOR);
        config.putShort(PCI_DEVICE_ID, (short) DEVICE);
        config.putShort(PCI_SUBSYSTEM_VENDOR_ID, (short) SUBVENDOR);
        config.putShort(PCI_SUBSYSTEM_ID, (short) SUBDEVICE);
        config.putInt(PCI_CLASS_REVISION, CLASS << 8 | 1);
        for (PciBar bar : bars) {
            config.putInt(PCI_BASE_ADDRESS_0 + 4 * bar.index(), bar.flags());
        }
    }

    @Override
    public int configSize() {
        return config.capacity();
    }

    @Override
    public int configRead(int offset, int width) {
        return switch (width) {
            case 1 -> config.get(offset) & 0xff;
            case 2 -> config.getShort(offset) & 0xffff;
            default -> config.getInt(offset);
        };
    }

    @Override
    public void configWrite(int offset, int width, int value) {
        switch (width) {
            case 1 -> config.put(offset, (byte) value);
            case 2 -> config.putShort(offset, (short) value);
            default -> config.putInt(offset, value | readOnlyBits(offset));
        }
    }

    @Override
    public List<PciBar> bars() {
        return bars;
    }

    @Override
    public long barRead(int bar, long offset, int width) {
        return 0;
    }

    @Override
    public void barWrite(int bar, long offset, int width, long value) {}

    @Override
    public void connectIrqs(IrqSink sink) {}

    @Override
    public void attachDma(DmaSpace space) {}

    @Override
    public void detachDma() {}

    @Override
    public void reset() {}

    private int readOnlyBits(int offset) {
        return bars.stream()
                .filter(bar -> PCI_BASE_ADDRESS_0 + 4 * bar.index() == offset)
                .mapToInt(PciBar::flags)
                .sum();
    }
}
