package org.vfio4j.sysfsfuse;

import static org.vfio4j.uapi.PciRegs.PCI_CLASS_REVISION;
import static org.vfio4j.uapi.PciRegs.PCI_DEVICE_ID;
import static org.vfio4j.uapi.PciRegs.PCI_VENDOR_ID;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;

/** A function of writable configuration space, which notes how it is written. */
final class PlainFunction implements PciFunction {

    private static final int CLASS = 0x018000;

    final List<String> writes = new ArrayList<>();
    int resets;

    private final ByteBuffer config = ByteBuffer.allocate(256).order(ByteOrder.LITTLE_ENDIAN);

    PlainFunction(int vendor, int device) {
        config.putShort(PCI_VENDOR_ID, (short) vendor);
        config.putShort(PCI_DEVICE_ID, (short) device);
        config.putInt(PCI_CLASS_REVISION, CLASS << 8 | 1);
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
        writes.add(Integer.toHexString(offset) + "/" + width + "=" + Integer.toHexString(value));
        switch (width) {
            case 1 -> config.put(offset, (byte) value);
            case 2 -> config.putShort(offset, (short) value);
            default -> config.putInt(offset, value);
        }
    }

    @Override
    public List<PciBar> bars() {
        return List.of();
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
    public void reset() {
        resets++;
    }
}
