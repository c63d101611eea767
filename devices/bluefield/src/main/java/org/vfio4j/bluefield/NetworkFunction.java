package org.vfio4j.bluefield;

import java.util.List;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.BarHandler;
import org.vfio4j.devicemodel.DeviceModel;
import org.vfio4j.devicemodel.EmulatedFunctionBuilder;
import org.vfio4j.devicemodel.Register;
import org.vfio4j.devicemodel.RegisterSet;
import org.vfio4j.mlx5.Mlx5Firmware;

/**
 * A network function of the DPU: its ids, and the start of its initialization segment in BAR 0, which is big-endian (Linux, {@code
 * struct mlx5_init_seg}), saying that the firmware has started. Commands do not go through memory but by {@link Mlx5Firmware}; it
 * has no ports.
 */
final class NetworkFunction implements DeviceModel {

    private static final int MELLANOX = 0x15b3;
    private static final int BLUEFIELD_2 = 0xa2d6;
    private static final int SUBSYSTEM = 0x0083;
    private static final int CLASS_NETWORK_ETHERNET = 0x020000;
    private static final int BAR_BYTES = 32 << 20;
    private static final int SEGMENT_BYTES = 0x200;
    private static final int MINOR = 24;
    private static final int MAJOR = 31;
    private static final int COMMAND_INTERFACE = 5;

    private NetworkFunction() {}

    static PciFunction create(Mlx5Firmware firmware) {
        RegisterSet segment = RegisterSet.of(
                SEGMENT_BYTES,
                List.of(
                        bigEndian(0, "firmware version", (MINOR << 16) | MAJOR),
                        bigEndian(4, "command interface", COMMAND_INTERFACE << 16),
                        bigEndian(0x1fc, "initializing", 0)));
        return new EmulatedFunctionBuilder(MELLANOX, BLUEFIELD_2)
                .subsystem(MELLANOX, SUBSYSTEM)
                .classCode(CLASS_NETWORK_ETHERNET, 0)
                .bar(new PciBar(0, BAR_BYTES, PciBar.Kind.MEM64, true), new SegmentBar(segment))
                .powerManagement()
                .pciExpress()
                .platform(Mlx5Firmware.class, firmware)
                .build(new NetworkFunction());
    }

    @Override
    public void attachDma(DmaSpace space) {}

    @Override
    public void detachDma() {}

    @Override
    public void reset() {}

    @Override
    public void busMasterChanged(boolean enabled) {}

    private static Register bigEndian(int at, String name, int value) {
        return Register.at(at, Integer.BYTES, name).reset(Integer.reverseBytes(value));
    }

    /** The rest of the BAR reads as zero. */
    private record SegmentBar(RegisterSet segment) implements BarHandler {

        @Override
        public long read(long offset, int width) {
            return offset < SEGMENT_BYTES ? segment.read(offset, width) : 0;
        }

        @Override
        public void write(long offset, int width, long value) {}
    }
}
