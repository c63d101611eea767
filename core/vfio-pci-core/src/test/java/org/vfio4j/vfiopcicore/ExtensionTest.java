package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_READ;
import static org.vfio4j.vfiopcicore.Refusals.assertErrno;

import java.lang.foreign.MemorySegment;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioInfoCapability;
import org.vfio4j.vfio.VfioRegistry;

/** Extensions: found by the service loader, and run when a driver makes its core. */
class ExtensionTest {

    private final FakePciFunction function = FakePciFunction.disk();
    private final PciDevice device = new PciBus().add(PciAddress.parse("0000:08:00.0"), function);

    /** What the platform of a test says of its function. */
    record Firmware(MemoryRegion region, int errno) {}

    /** Adds a region, a capability and a feature for a function with {@link Firmware}. */
    public static final class TestExtension implements VfioPciExtension {

        @Override
        public String name() {
            return "test";
        }

        @Override
        public void attach(VfioPciCore core, PciDevice device) {
            Firmware firmware = device.function()
                    .platform(Firmware.class)
                    .orElseThrow(() -> new ErrnoException(ENODEV, device + ": nothing of this platform's"));
            core.registerDevRegion(1, 1, firmware.region(), 16, VFIO_REGION_INFO_FLAG_READ);
            if (firmware.errno() != 0) {
                throw new ErrnoException(firmware.errno(), device + ": the platform's data are broken");
            }
            core.addDeviceCapability(new VfioInfoCapability(2, 1, new byte[] {9}));
            core.addFeature(1000, new Notes());
        }
    }

    @Test
    void aFailureFailsTheProbeAndLeavesNothing() {
        MemoryRegion region = new MemoryRegion(16);
        function.platform = Optional.of(new Firmware(region, EIO));
        assertErrno(EIO, () -> VfioPciCore.create("test", device));
        assertThat(region.released).isEqualTo(1);
    }

    @Test
    void aFunctionOfWhichThePlatformSaysNothingIsTolerated() {
        VfioPciCore core = VfioPciCore.create("test", device);
        assertThat(core.info().numRegions()).isEqualTo(9);
        assertThat(core.info().capabilities()).isEmpty();
        core.openDevice();
        assertThat(core.feature(1000)).isEmpty();
        core.closeDevice();
    }

    @Test
    void whatItAddsUsersSee() {
        function.platform = Optional.of(new Firmware(new MemoryRegion(16), 0));
        VfioRegistry registry = new VfioRegistry();
        registry.register(VfioPciCore.create("test", device), () -> () -> {}, device.toString());
        try (LocalDeviceFile file = registry.open("vfio0")) {
            assertThat(file.info().numRegions()).isEqualTo(10);
            assertThat(file.info().capabilities()).containsExactly(new VfioInfoCapability(2, 1, new byte[] {9}));
            byte[] answer = new byte[1];
            assertThat(file.feature(1000 | 1 << 16, MemorySegment.ofArray(answer)))
                    .isEqualTo(1);
            assertThat(answer[0]).isEqualTo((byte) 42);
        }
    }
}
