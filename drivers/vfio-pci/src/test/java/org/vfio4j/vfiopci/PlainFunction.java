package org.vfio4j.vfiopci;

import java.util.List;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;

/** A function of 256 bytes of writable configuration space, and nothing else. */
final class PlainFunction implements PciFunction {

    private final byte[] config = new byte[256];
    int resets;

    PlainFunction(int headerType) {
        config[0x0e] = (byte) headerType;
    }

    PlainFunction(int vendorId, int deviceId) {
        configWrite(0, 2, vendorId);
        configWrite(2, 2, deviceId);
    }

    @Override
    public int configSize() {
        return config.length;
    }

    @Override
    public int configRead(int offset, int width) {
        int value = 0;
        for (int i = width - 1; i >= 0; i--) {
            value = (value << 8) | (config[offset + i] & 0xff);
        }
        return value;
    }

    @Override
    public void configWrite(int offset, int width, int value) {
        for (int i = 0; i < width; i++) {
            config[offset + i] = (byte) (value >>> (8 * i));
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
