package org.vfio4j.testkit;

import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.testkit.DeviceUnderTest.CONFIG;
import static org.vfio4j.testkit.DeviceUnderTest.expect;
import static org.vfio4j.testkit.DeviceUnderTest.expectErrno;
import static org.vfio4j.testkit.DeviceUnderTest.hex;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FLAGS_RESET;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_BAR5_REGION_INDEX;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.vfio4j.vfio.VfioRegionInfo;

/** The header of configuration space (PCI Local Bus 3.0, 6.2), and reset. */
final class ConfigRules {

    private static final int BAR_IO = 1;
    private static final int BAR_TYPE_MASK = 6;
    private static final int BAR_64 = 4;

    private ConfigRules() {}

    static void add(BiConsumer<String, Consumer<DeviceUnderTest>> rules) {
        rules.accept("config.headerIsANormalOne", ConfigRules::normalHeader);
        rules.accept("config.idsAreReadOnly", ConfigRules::idsAreReadOnly);
        rules.accept("config.readsOfAnyWidthAgree", ConfigRules::widthsAgree);
        rules.accept("config.busMasterIsOffAtFirst", ConfigRules::masterIsOff);
        rules.accept("config.commandBitsAreKept", ConfigRules::commandBits);
        rules.accept("config.interruptLineIsKept", ConfigRules::interruptLine);
        rules.accept("config.barsSizeAsTheirRegions", ConfigRules::barSizing);
        rules.accept("config.barsThatAreNotThereReadZero", ConfigRules::missingBars);
        rules.accept("config.barsAreReachedOnlyWhileMemoryDecodes", ConfigRules::decode);
        rules.accept("reset.deviceAnswersAfterwards", ConfigRules::resetWorks);
    }

    private static void normalHeader(DeviceUnderTest device) {
        int type = device.config(PCI_HEADER_TYPE, 1) & PCI_HEADER_TYPE_MASK;
        expect(type == PCI_HEADER_TYPE_NORMAL, "header type " + type);
    }

    private static void idsAreReadOnly(DeviceUnderTest device) {
        for (int at : new int[] {PCI_VENDOR_ID, PCI_CLASS_REVISION, PCI_SUBSYSTEM_VENDOR_ID}) {
            int before = device.config(at, 4);
            device.setConfig(at, 4, ~before);
            int after = device.config(at, 4);
            expect(before == after, "the dword at " + hex(at) + " was " + hex(before) + " and became " + hex(after));
        }
    }

    private static void widthsAgree(DeviceUnderTest device) {
        int size = (int) device.file().regionInfo(CONFIG).sizeBytes();
        MemorySegment whole = MemorySegment.ofArray(new byte[size]);
        device.file().read(CONFIG, 0, whole, 0, size);
        for (int at = 0; at < size; at++) {
            int expected = whole.get(ValueLayout.JAVA_BYTE, at) & 0xff;
            int alone = device.config(at, 1);
            int inDword = device.config(at & -4, 4) >>> (8 * (at & 3)) & 0xff;
            expect(
                    alone == expected && inDword == expected,
                    "byte " + hex(at) + " reads as " + hex(alone) + " alone, " + hex(inDword) + " in its dword and "
                            + hex(expected) + " with all others");
        }
    }

    private static void masterIsOff(DeviceUnderTest device) {
        int command = device.config(PCI_COMMAND, 2);
        expect((command & PCI_COMMAND_MASTER) == 0, "the command register is " + hex(command) + " at first");
    }

    private static void commandBits(DeviceUnderTest device) {
        int old = device.config(PCI_COMMAND, 2);
        for (int bit : new int[] {spaceBit(device), PCI_COMMAND_MASTER, PCI_COMMAND_INTX_DISABLE}) {
            for (int value : new int[] {old | bit, old & ~bit}) {
                device.setConfig(PCI_COMMAND, 2, value);
                int seen = device.config(PCI_COMMAND, 2);
                expect(((seen ^ value) & bit) == 0, "command written as " + hex(value) + " reads as " + hex(seen));
            }
        }
    }

    /** The bit for the space that the device decodes: one that it has nothing in may read as zero. */
    private static int spaceBit(DeviceUnderTest device) {
        for (int bar = 0; bar <= VFIO_PCI_BAR5_REGION_INDEX; bar++) {
            if (device.file().regionInfo(bar).sizeBytes() != 0) {
                boolean io = (device.config(PCI_BASE_ADDRESS_0 + 4 * bar, 4) & BAR_IO) != 0;
                return io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
            }
        }
        return PCI_COMMAND_MASTER;
    }

    private static void interruptLine(DeviceUnderTest device) {
        for (int value : new int[] {0x5a, 0xa5}) {
            device.setConfig(PCI_INTERRUPT_LINE, 1, value);
            int seen = device.config(PCI_INTERRUPT_LINE, 1);
            expect(seen == value, "interrupt line written as " + hex(value) + " reads as " + hex(seen));
        }
    }

    private static void barSizing(DeviceUnderTest device) {
        int next;
        for (int bar = 0; bar <= VFIO_PCI_BAR5_REGION_INDEX; bar = next) {
            int at = PCI_BASE_ADDRESS_0 + 4 * bar;
            int old = device.config(at, 4);
            boolean wide = (old & (BAR_IO | BAR_TYPE_MASK)) == BAR_64;
            next = bar + (wide ? 2 : 1);
            long size = device.file().regionInfo(bar).sizeBytes();
            if (size == 0) {
                continue;
            }
            long mask = writtenWithOnes(device, at, wide) & ((old & BAR_IO) != 0 ? -4L : -16L);
            long seen = wide ? -mask : -mask & 0xffff_ffffL;
            expect(seen == size, "BAR " + bar + " sizes as " + hex(seen) + ", its region has " + hex(size));
            int restored = device.config(at, 4);
            expect(
                    restored == old,
                    "BAR " + bar + " was " + hex(old) + " and cannot be written back: " + hex(restored));
        }
    }

    /** What a BAR reads as when all its bits were written with ones; it gets its old value back. */
    private static long writtenWithOnes(DeviceUnderTest device, int at, boolean wide) {
        int low = device.config(at, 4);
        int high = wide ? device.config(at + 4, 4) : 0;
        device.setConfig(at, 4, -1);
        long mask = device.config(at, 4) & 0xffff_ffffL;
        if (wide) {
            device.setConfig(at + 4, 4, -1);
            mask |= (long) device.config(at + 4, 4) << 32;
            device.setConfig(at + 4, 4, high);
        }
        device.setConfig(at, 4, low);
        return mask;
    }

    private static void missingBars(DeviceUnderTest device) {
        boolean upperHalf = false;
        for (int bar = 0; bar <= VFIO_PCI_BAR5_REGION_INDEX; bar++) {
            int at = PCI_BASE_ADDRESS_0 + 4 * bar;
            boolean missing = !upperHalf && device.file().regionInfo(bar).sizeBytes() == 0;
            upperHalf = !upperHalf && (device.config(at, 4) & (BAR_IO | BAR_TYPE_MASK)) == BAR_64;
            if (missing) {
                device.setConfig(at, 4, -1);
                int seen = device.config(at, 4);
                expect(
                        seen == 0,
                        "BAR " + bar + " has no region, and reads as " + hex(seen) + " after ones were written");
            }
        }
    }

    private static void decode(DeviceUnderTest device) {
        VfioRegionInfo bar = device.regions().stream()
                .filter(region -> region.index() <= VFIO_PCI_BAR5_REGION_INDEX)
                .filter(region -> (device.config(PCI_BASE_ADDRESS_0 + 4 * region.index(), 4) & BAR_IO) == 0)
                .findFirst()
                .orElseThrow(DeviceUnderTest.NotApplicable::new);
        int command = device.config(PCI_COMMAND, 2);
        device.setConfig(PCI_COMMAND, 2, command & ~PCI_COMMAND_MEMORY);
        expectErrno(
                "read of BAR " + bar.index() + " while memory is not decoded",
                () -> device.read(bar.index(), 0, 4),
                EIO);
        device.setConfig(PCI_COMMAND, 2, command | PCI_COMMAND_MEMORY);
        device.read(bar.index(), 0, 4);
    }

    private static void resetWorks(DeviceUnderTest device) {
        device.applicable((device.file().info().flags() & VFIO_DEVICE_FLAGS_RESET) != 0);
        int ids = device.config(PCI_VENDOR_ID, 4);
        device.file().reset();
        device.file().reset();
        int seen = device.config(PCI_VENDOR_ID, 4);
        expect(ids == seen, "vendor and device were " + hex(ids) + " and read as " + hex(seen) + " after a reset");
    }
}
