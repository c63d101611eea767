package org.vfio4j.fuzz;

import static org.vfio4j.uapi.VfioUser.*;

import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawMessage;

/** Right messages. Stateless. */
final class Wire {

    static final int READ_WRITE = 3;
    static final int CONFIG = 7;

    private Wire() {}

    static RawMessage info() {
        return RawMessage.command(
                VFIO_USER_DEVICE_GET_INFO, new Payload().u32(16).bytes(new byte[12]));
    }

    static RawMessage regionInfo(int index, int argsz) {
        return RawMessage.command(
                VFIO_USER_DEVICE_GET_REGION_INFO,
                new Payload().u32(argsz).u32(0).u32(index).bytes(new byte[20]));
    }

    static RawMessage regionIoFds(int index) {
        return RawMessage.command(
                VFIO_USER_DEVICE_GET_REGION_IO_FDS,
                new Payload().u32(512).u32(0).u32(index).u32(0));
    }

    static RawMessage irqInfo(int index) {
        return RawMessage.command(
                VFIO_USER_DEVICE_GET_IRQ_INFO,
                new Payload().u32(16).u32(0).u32(index).u32(0));
    }

    static RawMessage setIrqs(int flags, int index, int start, int count, byte... data) {
        return RawMessage.command(
                VFIO_USER_DEVICE_SET_IRQS,
                new Payload()
                        .u32(20 + data.length)
                        .u32(flags)
                        .u32(index)
                        .u32(start)
                        .u32(count)
                        .bytes(data));
    }

    static RawMessage read(int region, long offset, int count) {
        return RawMessage.command(
                VFIO_USER_REGION_READ, new Payload().u64(offset).u32(region).u32(count));
    }

    static RawMessage write(int region, long offset, byte... data) {
        return RawMessage.command(
                VFIO_USER_REGION_WRITE,
                new Payload().u64(offset).u32(region).u32(data.length).bytes(data));
    }

    static RawMessage write(int region, long offset, int width, long value) {
        byte[] data = new Payload().u64(value).toBytes();
        return write(region, offset, java.util.Arrays.copyOf(data, width));
    }

    static RawMessage map(int access, long offset, long iova, long size) {
        return RawMessage.command(
                VFIO_USER_DMA_MAP,
                new Payload().u32(32).u32(access).u64(offset).u64(iova).u64(size));
    }

    static RawMessage unmap(int flags, long iova, long size) {
        return RawMessage.command(
                VFIO_USER_DMA_UNMAP, new Payload().u32(24).u32(flags).u64(iova).u64(size));
    }

    static RawMessage unmapWithBitmap(long iova, long size) {
        return RawMessage.command(
                VFIO_USER_DMA_UNMAP,
                new Payload().u32(56).u32(1).u64(iova).u64(size).u64(4096).u64(8));
    }

    static RawMessage feature(int flags, byte... data) {
        return RawMessage.command(
                VFIO_USER_DEVICE_FEATURE,
                new Payload().u32(8 + data.length).u32(flags).bytes(data));
    }

    static RawMessage reset() {
        return RawMessage.command(VFIO_USER_DEVICE_RESET);
    }

    static RawMessage migrationRead(int size) {
        return RawMessage.command(VFIO_USER_MIG_DATA_READ, new Payload().u32(16).u32(size));
    }

    static RawMessage migrationWrite(byte... data) {
        return RawMessage.command(
                VFIO_USER_MIG_DATA_WRITE,
                new Payload().u32(8 + data.length).u32(data.length).bytes(data));
    }

    static RawMessage writeMulti() {
        Payload payload = new Payload().u64(2);
        for (int i = 0; i < 2; i++) {
            payload.u64(0x3000 + 4L * i).u32(4).u32(2).u64(i);
        }
        return RawMessage.command(VFIO_USER_REGION_WRITE_MULTI, payload);
    }
}
