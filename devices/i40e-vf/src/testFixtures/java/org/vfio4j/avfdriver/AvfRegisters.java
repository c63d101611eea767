package org.vfio4j.avfdriver;

import org.vfio4j.bus.PciFunction;

/** BAR 0 of a function, however a driver gets at it. */
public interface AvfRegisters {

    int read(int offset);

    void write(int offset, int value);

    /** A function in the same process, with nothing between. */
    static AvfRegisters of(PciFunction function) {
        return new AvfRegisters() {
            @Override
            public int read(int offset) {
                return (int) function.barRead(0, offset, Integer.BYTES);
            }

            @Override
            public void write(int offset, int value) {
                function.barWrite(0, offset, Integer.BYTES, value);
            }
        };
    }
}
