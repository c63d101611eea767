package org.vfio4j.testkit;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.testkit.DeviceUnderTest.expect;
import static org.vfio4j.testkit.DeviceUnderTest.expectErrno;
import static org.vfio4j.testkit.DeviceUnderTest.hex;
import static org.vfio4j.uapi.Vfio.*;

import java.util.List;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioIoEventFd;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioRegionCapabilities;
import org.vfio4j.vfio.VfioRegionCapabilities.Area;
import org.vfio4j.vfio.VfioRegionInfo;

/** What a device says about itself: GET_INFO, GET_REGION_INFO, GET_IRQ_INFO, and the descriptors behind regions. */
final class InfoRules {

    private static final int PAGE = 4096;
    private static final int REGION_FLAGS = VFIO_REGION_INFO_FLAG_READ
            | VFIO_REGION_INFO_FLAG_WRITE
            | VFIO_REGION_INFO_FLAG_MMAP
            | VFIO_REGION_INFO_FLAG_CAPS;

    private InfoRules() {}

    static void add(BiConsumer<String, Consumer<DeviceUnderTest>> rules) {
        rules.accept("info.isAPciDevice", InfoRules::isAPciDevice);
        rules.accept("info.hasTheStandardRegionsAndIrqs", InfoRules::hasTheStandardRegionsAndIrqs);
        rules.accept("regionInfo.answersForTheIndexAsked", InfoRules::regionIndexIsEchoed);
        rules.accept("regionInfo.refusesIndicesThatAreNotThere", InfoRules::regionIndexIsChecked);
        rules.accept("regionInfo.aRegionHasSizeAndAccessOrNeither", InfoRules::sizeAndFlagsAgree);
        rules.accept("regionInfo.configurationSpaceIs256Or4096Bytes", InfoRules::configSize);
        rules.accept("regionInfo.barSizesArePowersOfTwo", InfoRules::barSizes);
        rules.accept("regionInfo.mappableAreasAreWholePagesInside", InfoRules::sparseAreas);
        rules.accept("regionInfo.deviceSpecificRegionsSayWhatTheyAre", InfoRules::deviceRegionsHaveType);
        rules.accept("regionMemory.isThereWhereMmapIsPromised", InfoRules::memoryMatchesFlag);
        rules.accept("ioEventFds.lieInsideTheirRegion", InfoRules::ioEventFdsInside);
        rules.accept("ioEventFds.refusesRegionsThatAreNotThere", InfoRules::ioEventFdsChecked);
        rules.accept("irqInfo.answersForTheIndexAsked", InfoRules::irqIndexIsEchoed);
        rules.accept("irqInfo.refusesIndicesThatAreNotThere", InfoRules::irqIndexIsChecked);
        rules.accept("irqInfo.everyIndexSignalsEventFds", InfoRules::irqsSignalEventFds);
        rules.accept("irqInfo.onlyIntxIsAutomaskedAndItIsMaskable", InfoRules::onlyIntxIsAutomasked);
    }

    private static void isAPciDevice(DeviceUnderTest device) {
        int flags = device.file().info().flags();
        expect((flags & VFIO_DEVICE_FLAGS_PCI) != 0, "device flags " + hex(flags) + " without PCI");
    }

    private static void hasTheStandardRegionsAndIrqs(DeviceUnderTest device) {
        int regions = device.file().info().numRegions();
        int irqs = device.file().info().numIrqs();
        expect(regions >= VFIO_PCI_NUM_REGIONS, regions + " regions: a PCI device has " + VFIO_PCI_NUM_REGIONS);
        expect(irqs >= VFIO_PCI_NUM_IRQS, irqs + " irq indices: a PCI device has " + VFIO_PCI_NUM_IRQS);
    }

    private static void regionIndexIsEchoed(DeviceUnderTest device) {
        for (int i = 0; i < device.file().info().numRegions(); i++) {
            int index = device.file().regionInfo(i).index();
            expect(index == i, "region " + i + " answers as " + index);
        }
    }

    private static void regionIndexIsChecked(DeviceUnderTest device) {
        for (int index : new int[] {device.file().info().numRegions(), Integer.MAX_VALUE, -1}) {
            expectErrno("region info " + index, () -> device.file().regionInfo(index), EINVAL);
        }
    }

    private static void sizeAndFlagsAgree(DeviceUnderTest device) {
        int access = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
        for (int i = 0; i < device.file().info().numRegions(); i++) {
            VfioRegionInfo region = device.file().regionInfo(i);
            boolean exists = region.sizeBytes() > 0;
            String seen = "region " + i + " has size " + region.sizeBytes() + " and flags " + hex(region.flags());
            expect(exists == ((region.flags() & access) != 0) && region.sizeBytes() >= 0, seen);
            expect((region.flags() & ~REGION_FLAGS) == 0, seen + ", some of them unknown");
        }
    }

    private static void configSize(DeviceUnderTest device) {
        VfioRegionInfo config = device.file().regionInfo(VFIO_PCI_CONFIG_REGION_INDEX);
        expect(
                config.sizeBytes() == 256 || config.sizeBytes() == 4096,
                "configuration space of " + config.sizeBytes() + " bytes");
        int readWrite = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
        expect((config.flags() & readWrite) == readWrite, "configuration space with flags " + hex(config.flags()));
    }

    private static void barSizes(DeviceUnderTest device) {
        for (VfioRegionInfo region : device.regions()) {
            boolean bar = region.index() <= VFIO_PCI_BAR5_REGION_INDEX;
            expect(
                    !bar || Long.bitCount(region.sizeBytes()) == 1,
                    "BAR " + region.index() + " of " + hex(region.sizeBytes()) + " bytes");
        }
    }

    private static void sparseAreas(DeviceUnderTest device) {
        for (VfioRegionInfo region : device.regions()) {
            long end = 0;
            for (Area area :
                    VfioRegionCapabilities.sparseAreas(region.capabilities()).orElse(List.of())) {
                String seen = "region " + region.index() + ": area at " + hex(area.offset()) + " of "
                        + hex(area.sizeBytes()) + " bytes";
                expect((region.flags() & VFIO_REGION_INFO_FLAG_MMAP) != 0, seen + ", and no MMAP flag");
                expect(area.sizeBytes() > 0 && (area.offset() | area.sizeBytes()) % PAGE == 0, seen);
                expect(area.offset() >= end, seen + ", behind one that ends at " + hex(end));
                end = area.offset() + area.sizeBytes();
                expect(end > 0 && end <= region.sizeBytes(), seen + ", size " + hex(region.sizeBytes()));
            }
        }
    }

    private static void deviceRegionsHaveType(DeviceUnderTest device) {
        for (VfioRegionInfo region : device.regions()) {
            expect(
                    region.index() < VFIO_PCI_NUM_REGIONS
                            || VfioRegionCapabilities.type(region.capabilities())
                                    .isPresent(),
                    "region " + region.index() + " has no TYPE capability");
        }
    }

    private static void memoryMatchesFlag(DeviceUnderTest device) {
        VfioDeviceFile file = device.file();
        for (VfioRegionInfo region : device.regions()) {
            boolean promised = (region.flags() & VFIO_REGION_INFO_FLAG_MMAP) != 0;
            Optional<?> memory = file.regionMemory(region.index());
            expect(
                    promised == memory.isPresent(),
                    "region " + region.index() + (promised ? " promises MMAP without" : " has no MMAP flag and yet")
                            + " a descriptor");
        }
    }

    private static void ioEventFdsInside(DeviceUnderTest device) {
        for (VfioRegionInfo region : device.regions()) {
            for (VfioIoEventFd each : device.file().ioEventFds(region.index())) {
                expect(
                        each.offset() >= 0 && each.offset() + Math.max(each.sizeBytes(), 1) <= region.sizeBytes(),
                        "region " + region.index() + " of " + hex(region.sizeBytes()) + " bytes: " + each);
            }
        }
    }

    private static void ioEventFdsChecked(DeviceUnderTest device) {
        int count = device.file().info().numRegions();
        expectErrno("ioeventfds of region " + count, () -> device.file().ioEventFds(count), EINVAL);
    }

    private static void irqIndexIsEchoed(DeviceUnderTest device) {
        for (int i = 0; i < device.file().info().numIrqs(); i++) {
            int index = device.file().irqInfo(i).index();
            expect(index == i, "irq index " + i + " answers as " + index);
        }
    }

    private static void irqIndexIsChecked(DeviceUnderTest device) {
        for (int index : new int[] {device.file().info().numIrqs(), Integer.MAX_VALUE, -1}) {
            expectErrno("irq info " + index, () -> device.file().irqInfo(index), EINVAL);
        }
    }

    private static void irqsSignalEventFds(DeviceUnderTest device) {
        for (VfioIrqInfo irq : device.irqs()) {
            expect((irq.flags() & VFIO_IRQ_INFO_EVENTFD) != 0, "irq index " + irq.index() + " without EVENTFD");
        }
    }

    private static void onlyIntxIsAutomasked(DeviceUnderTest device) {
        int both = VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
        for (VfioIrqInfo irq : device.irqs()) {
            boolean intx = irq.index() == VFIO_PCI_INTX_IRQ_INDEX;
            String seen = "irq index " + irq.index() + " has flags " + hex(irq.flags());
            expect(!intx || ((irq.flags() & both) == both && irq.count() == 1), seen + " and count " + irq.count());
            expect(intx || (irq.flags() & VFIO_IRQ_INFO_AUTOMASKED) == 0, seen);
        }
    }
}
