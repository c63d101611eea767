package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.*;
import static org.vfio4j.vfiopcicore.Refusals.assertErrno;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.vfio4j.vfio.VfioInfoCapability;
import org.vfio4j.vfio.VfioRegionCapabilities;
import org.vfio4j.vfio.VfioRegionCapabilities.Type;

/** vfio_pci_core_register_dev_region, and the VGA region. */
class DevRegionTest {

    private static final int READ_WRITE = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
    private static final int TYPE = VFIO_REGION_TYPE_PCI_VENDOR_TYPE | 0x8086;

    private final MemoryRegion region = new MemoryRegion(100);

    @Test
    void refusesRegionsOfNegativeSizeAndUnknownFlags() {
        VfioPciCore core = new VfioPciCore("test", FakePciFunction.disk());
        assertErrno(EINVAL, () -> core.registerDevRegion(TYPE, 1, region, -1, READ_WRITE));
        assertErrno(EINVAL, () -> core.registerDevRegion(TYPE, 1, region, 100, 0));
        assertErrno(EINVAL, () -> core.registerDevRegion(TYPE, 1, region, 100, VFIO_REGION_INFO_FLAG_CAPS));
    }

    @Test
    void refusesWhatItsFlagsDoNotAllow() {
        try (OpenCore disk = new OpenCore(FakePciFunction.disk(), core -> {
            core.registerDevRegion(TYPE, 1, region, 100, VFIO_REGION_INFO_FLAG_READ);
        })) {
            assertErrno(EINVAL, () -> disk.write(9, 0, 4, 1));
            assertErrno(EINVAL, () -> disk.read(9, 97, 4));
            assertErrno(EINVAL, () -> disk.read(10, 0, 1));
        }
    }

    @Test
    void aRegionWithoutBytesStillSaysWhatItIs() {
        region.capabilities = List.of(new VfioInfoCapability(77, 1, new byte[] {5}));
        int flags = READ_WRITE | VFIO_REGION_INFO_FLAG_MMAP;
        try (OpenCore disk =
                new OpenCore(FakePciFunction.disk(), core -> core.registerDevRegion(TYPE, 1, region, 0, flags))) {
            assertThat(disk.file.regionInfo(9).sizeBytes()).isZero();
            assertThat(disk.file.regionInfo(9).capabilities()).endsWith(new VfioInfoCapability(77, 1, new byte[] {5}));
            assertErrno(EINVAL, () -> disk.read(9, 0, 1));
        }
    }

    @Test
    void takesTheNextIndexAndSaysItsType() {
        region.capabilities = List.of(new VfioInfoCapability(77, 1, new byte[] {5}));
        try (OpenCore disk = new OpenCore(FakePciFunction.disk(), core -> {
            assertThat(core.registerDevRegion(TYPE, 1, new MemoryRegion(1), 1, READ_WRITE))
                    .isEqualTo(9);
            assertThat(core.registerDevRegion(TYPE, 2, region, 100, READ_WRITE)).isEqualTo(10);
        })) {
            assertThat(disk.file.info().numRegions()).isEqualTo(11);
            assertThat(disk.file.regionInfo(10).sizeBytes()).isEqualTo(100);
            assertThat(disk.file.regionInfo(10).flags()).isEqualTo(READ_WRITE);
            List<VfioInfoCapability> capabilities = disk.file.regionInfo(10).capabilities();
            assertThat(VfioRegionCapabilities.type(capabilities)).contains(new Type(TYPE, 2));
            assertThat(capabilities).endsWith(new VfioInfoCapability(77, 1, new byte[] {5}));
        }
    }

    @Test
    void accessesAreTheRegionsOwnAtAnyAlignment() {
        try (OpenCore disk = new OpenCore(FakePciFunction.disk(), core -> {
            core.registerDevRegion(TYPE, 1, region, 100, READ_WRITE);
        })) {
            disk.write(9, 93, 7, 0x0706_0504_0302_01L);
            assertThat(region.bytes[93]).isEqualTo((byte) 1);
            assertThat(region.bytes[99]).isEqualTo((byte) 7);
            assertThat(disk.read(9, 95, 2)).isEqualTo(0x0403);
        }
    }

    @Test
    void aRegionFromBeforeTheOpenStaysUntilTheDriverLetsGo() {
        OpenCore disk = new OpenCore(FakePciFunction.disk(), core -> {
            core.registerDevRegion(TYPE, 1, region, 100, READ_WRITE);
        });
        disk.close();
        assertThat(region.released).isZero();
        assertThat(disk.core.info().numRegions()).isEqualTo(10);
        disk.core.release();
        assertThat(region.released).isEqualTo(1);
        assertThat(disk.core.info().numRegions()).isEqualTo(9);
    }

    @Test
    void aRegionOfAnOpeningGoesWithTheClose() {
        VfioPciCore core = new VfioPciCore("test", FakePciFunction.disk());
        core.openDevice();
        core.registerDevRegion(TYPE, 1, region, 100, READ_WRITE);
        core.closeDevice();
        assertThat(region.released).isEqualTo(1);
        assertThat(core.info().numRegions()).isEqualTo(9);
        core.release();
        assertThat(region.released).isEqualTo(1);
    }

    @Test
    void theVgaRegionIsWhatAnExtensionMakesIt() {
        MemoryRegion vga = new MemoryRegion(0xc0000);
        OpenCore disk = new OpenCore(FakePciFunction.disk(), core -> core.registerVgaRegion(vga));
        disk.write(VFIO_PCI_VGA_REGION_INDEX, 0x3c0, 1, 0x5a);
        assertThat(vga.bytes[0x3c0]).isEqualTo((byte) 0x5a);
        assertThat(disk.file.regionInfo(8).sizeBytes()).isEqualTo(0xc0000);
        assertThat(disk.file.regionInfo(8).capabilities()).isEmpty();
        assertErrno(EBUSY, () -> disk.core.registerVgaRegion(vga));
        disk.close();
        disk.core.release();
        assertThat(vga.released).isEqualTo(1);
    }

    @Test
    void aFeatureIsAddedOnce() {
        VfioPciCore core = new VfioPciCore("test", FakePciFunction.disk());
        Notes notes = new Notes();
        core.addFeature(1000, notes);
        core.openDevice();
        assertThat(core.feature(1000)).contains(notes);
        core.closeDevice();
        assertErrno(EEXIST, () -> core.addFeature(1000, notes));
        assertErrno(EEXIST, () -> core.addFeature(VFIO_DEVICE_FEATURE_BUS_MASTER, notes));
        assertErrno(EEXIST, () -> core.addFeature(VFIO_DEVICE_FEATURE_LOW_POWER_EXIT, notes));
    }
}
