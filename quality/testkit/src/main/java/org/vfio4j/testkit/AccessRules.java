package org.vfio4j.testkit;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.testkit.DeviceUnderTest.expectErrno;
import static org.vfio4j.testkit.DeviceUnderTest.hex;
import static org.vfio4j.uapi.Vfio.*;

import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.vfio4j.vfio.VfioRegionInfo;

/** Reads and writes of regions, whatever they are: ranges and rights. */
final class AccessRules {

    private AccessRules() {}

    static void add(BiConsumer<String, Consumer<DeviceUnderTest>> rules) {
        rules.accept("access.refusesRangesOutsideTheRegion", AccessRules::outside);
        rules.accept("access.refusesRegionsThatAreNotThere", AccessRules::missing);
        rules.accept("access.refusesWhatTheFlagsDoNotAllow", AccessRules::rights);
        rules.accept("access.ofNothingIsAllowed", AccessRules::nothing);
    }

    private static void outside(DeviceUnderTest device) {
        for (VfioRegionInfo region : device.regions()) {
            long size = region.sizeBytes();
            for (long offset : new long[] {size, size - 3, size + 4096, Long.MAX_VALUE - 3, -1, -4}) {
                String where = "4 bytes at " + hex(offset) + " of region " + region.index() + ", size " + hex(size);
                expectErrno("read of " + where, () -> device.read(region.index(), offset, 4), EINVAL);
                expectErrno("write of " + where, () -> device.write(region.index(), offset, 4, 0), EINVAL);
            }
        }
    }

    private static void missing(DeviceUnderTest device) {
        int count = device.file().info().numRegions();
        for (int i = 0; i <= count; i++) {
            if (i == count || device.file().regionInfo(i).sizeBytes() == 0) {
                int index = i;
                expectErrno("read of region " + index, () -> device.read(index, 0, 4), EINVAL);
                expectErrno("write of region " + index, () -> device.write(index, 0, 4, 0), EINVAL);
            }
        }
    }

    private static void rights(DeviceUnderTest device) {
        for (VfioRegionInfo region : device.regions()) {
            String what = "region " + region.index() + ", flags " + hex(region.flags());
            if ((region.flags() & VFIO_REGION_INFO_FLAG_READ) == 0) {
                expectErrno("read of " + what, () -> device.read(region.index(), 0, 4), EINVAL);
            }
            if ((region.flags() & VFIO_REGION_INFO_FLAG_WRITE) == 0) {
                expectErrno("write of " + what, () -> device.write(region.index(), 0, 4, 0), EINVAL);
            }
        }
    }

    private static void nothing(DeviceUnderTest device) {
        device.read(DeviceUnderTest.CONFIG, 0, 0);
        device.write(DeviceUnderTest.CONFIG, 0, 0, 0);
    }
}
