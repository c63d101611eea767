package org.vfio4j.testkit;

import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.sys.Errno.EOVERFLOW;
import static org.vfio4j.testkit.DeviceUnderTest.expectErrno;

import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;
import org.vfio4j.vfio.VfioDeviceFile;

/** DMA maps and unmaps. */
final class DmaRules {

    private static final int READ_WRITE = DmaSpace.READ | DmaSpace.WRITE;
    private static final long PAGE = 4096;
    private static final long SIZE = 16 * PAGE;
    private static final long IOVA = 0x10_0000;

    private DmaRules() {}

    static void add(BiConsumer<String, Consumer<DeviceUnderTest>> rules) {
        rules.accept("dma.mapRefusesNothing", with(DmaRules::empty));
        rules.accept("dma.mapRefusesRangesPastTheEndOfTheAddressSpace", with(DmaRules::wrap));
        rules.accept("dma.mapRefusesOverlaps", with(DmaRules::overlap));
        rules.accept("dma.mapReachesTheLastPage", with(DmaRules::lastPage));
        rules.accept("dma.unmapRefusesWhatIsNotMapped", with(DmaRules::notMapped));
        rules.accept("dma.unmapRefusesAPartOfAMap", with(DmaRules::part));
        rules.accept("dma.unmapMakesRoomForAnother", with(DmaRules::again));
    }

    private interface Body {
        void run(VfioDeviceFile file, Fd memory);
    }

    private static Consumer<DeviceUnderTest> with(Body body) {
        return device -> {
            try (Fd memory = MemFd.create("conformance", SIZE)) {
                body.run(device.file(), memory);
            }
        };
    }

    private static void empty(VfioDeviceFile file, Fd memory) {
        expectErrno("a map of 0 bytes", () -> file.dmaMap(IOVA, 0, READ_WRITE, memory, 0), EINVAL);
    }

    private static void wrap(VfioDeviceFile file, Fd memory) {
        expectErrno(
                "two pages at the last page",
                () -> file.dmaMap(-PAGE, 2 * PAGE, READ_WRITE, memory, 0),
                EINVAL,
                EOVERFLOW);
    }

    private static void overlap(VfioDeviceFile file, Fd memory) {
        file.dmaMap(IOVA, 4 * PAGE, READ_WRITE, memory, 0);
        for (long at : new long[] {IOVA - PAGE, IOVA + PAGE, IOVA + 3 * PAGE}) {
            expectErrno(
                    "two pages at 0x" + Long.toHexString(at) + " over a map of four at 0x" + Long.toHexString(IOVA),
                    () -> file.dmaMap(at, 2 * PAGE, READ_WRITE, memory, 8 * PAGE),
                    EEXIST);
        }
        file.dmaUnmap(IOVA, 4 * PAGE);
    }

    private static void lastPage(VfioDeviceFile file, Fd memory) {
        file.dmaMap(-PAGE, PAGE, READ_WRITE, memory, 0);
        file.dmaUnmap(-PAGE, PAGE);
    }

    private static void notMapped(VfioDeviceFile file, Fd memory) {
        expectErrno("unmap of nothing", () -> file.dmaUnmap(IOVA, PAGE), ENOENT);
        file.dmaMap(IOVA, PAGE, READ_WRITE, memory, 0);
        file.dmaUnmap(IOVA, PAGE);
        expectErrno("a second unmap", () -> file.dmaUnmap(IOVA, PAGE), ENOENT);
    }

    private static void part(VfioDeviceFile file, Fd memory) {
        file.dmaMap(IOVA, 4 * PAGE, READ_WRITE, memory, 0);
        expectErrno("unmap of a map's first half", () -> file.dmaUnmap(IOVA, 2 * PAGE), EINVAL, ENOENT);
        expectErrno("unmap of a map's middle", () -> file.dmaUnmap(IOVA + PAGE, PAGE), EINVAL, ENOENT);
        expectErrno("unmap of more than a map", () -> file.dmaUnmap(IOVA, 8 * PAGE), EINVAL, ENOENT);
        file.dmaUnmap(IOVA, 4 * PAGE);
    }

    private static void again(VfioDeviceFile file, Fd memory) {
        for (int i = 0; i < 3; i++) {
            file.dmaMap(IOVA, SIZE, READ_WRITE, memory, 0);
            file.dmaUnmap(IOVA, SIZE);
        }
    }
}
