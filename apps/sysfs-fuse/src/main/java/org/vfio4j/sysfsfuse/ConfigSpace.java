package org.vfio4j.sysfsfuse;

import static org.vfio4j.sys.Errno.EBUSY;

import org.vfio4j.bus.PciDevice;
import org.vfio4j.fuse.FuseNode;
import org.vfio4j.sys.ErrnoException;

/**
 * The file {@code config}: a function's configuration space as it is now. Who writes writes registers, in the widths that the place
 * and the length allow; while a driver has the function they are the driver's, and the write fails with EBUSY.
 */
record ConfigSpace(PciDevice device) implements FuseNode.File, FuseNode.Handle {

    @Override
    public int mode() {
        return 0644;
    }

    @Override
    public long sizeBytes() {
        return device.function().configSize();
    }

    @Override
    public FuseNode.Handle open() {
        return this;
    }

    @Override
    public byte[] read(long offset, int length) {
        int end = end(offset, length);
        byte[] data = new byte[Math.max(0, end - (int) Math.min(offset, end))];
        int at = end - data.length;
        for (int done = 0; done < data.length; ) {
            int width = width(at + done, data.length - done);
            int value = device.configPeek(at + done, width);
            for (int i = 0; i < width; i++) {
                data[done + i] = (byte) (value >>> Byte.SIZE * i);
            }
            done += width;
        }
        return data;
    }

    @Override
    public int write(long offset, byte[] data) {
        if (device.driver().isPresent()) {
            throw new ErrnoException(
                    EBUSY,
                    "write config of " + device + ", which "
                            + device.driver().get().name() + " has");
        }
        int end = end(offset, data.length);
        int at = (int) Math.min(offset, end);
        int taken = end - at;
        for (int done = 0; done < taken; ) {
            int width = width(at + done, taken - done);
            int value = 0;
            for (int i = 0; i < width; i++) {
                value |= (data[done + i] & 0xff) << Byte.SIZE * i;
            }
            device.function().configWrite(at + done, width, value);
            done += width;
        }
        return taken;
    }

    private int end(long offset, int length) {
        return (int) Math.min(Math.max(0, offset) + length, device.function().configSize());
    }

    // The widest access that fits here.
    private static int width(int offset, int left) {
        int width = Integer.BYTES;
        while (offset % width != 0 || width > left) {
            width /= 2;
        }
        return width;
    }
}
