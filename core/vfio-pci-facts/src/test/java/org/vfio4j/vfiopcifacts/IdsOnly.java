package org.vfio4j.vfiopcifacts;

import java.util.List;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;

/** A function that has ids and nothing else. */
record IdsOnly(int vendor, int device, int subvendor, int subdevice, int classCode) implements PciFunction {

    static IdsOnly of(int vendor, int device) {
        return new IdsOnly(vendor, device, 0, 0, 0);
    }

    @Override
    public int configSize() {
        return 256;
    }

    @Override
    public int configRead(int offset, int width) {
        return switch (offset) {
            case 0x00 -> vendor;
            case 0x02 -> device;
            case 0x08 -> classCode << 8;
            case 0x0e -> 0;
            case 0x2c -> subvendor;
            case 0x2e -> subdevice;
            default -> throw new AssertionError("the ids were enough so far, not offset " + offset);
        };
    }

    @Override
    public void configWrite(int offset, int width, int value) {}

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
    public void reset() {}
}
