package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.Vfio.*;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.BarMemory;
import org.vfio4j.bus.PciBar;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;
import org.vfio4j.vfio.VfioRegionCapabilities;
import org.vfio4j.vfio.VfioRegionCapabilities.Area;
import org.vfio4j.vfio.VfioRegionInfo;
import org.vfio4j.vfio.VfioRegionMemory;

/** What of a region users can map: sparse areas, without trapped pages and the MSI-X table's. */
class RegionMemoryTest {

    private static final int BAR = 4;
    private static final int SIZE = 16384;
    private static final VfioPciTrapHandler LOOK_ON = new VfioPciTrapHandler() {};

    private final FakePciFunction function = FakePciFunction.disk();
    private Fd fd;

    @BeforeEach
    void makeMemory() {
        fd = MemFd.create("bar", 8 * 4096);
    }

    @AfterEach
    void closeMemory() {
        fd.close();
    }

    @Test
    void withoutMemoryNothingCanBeMapped() {
        try (OpenCore disk = new OpenCore(function)) {
            assertThat(disk.file.regionInfo(BAR).flags() & VFIO_REGION_INFO_FLAG_MMAP)
                    .isZero();
            assertThat(disk.file.regionMemory(BAR)).isEmpty();
            assertThat(disk.file.regionMemory(VFIO_PCI_CONFIG_REGION_INDEX)).isEmpty();
        }
    }

    @Test
    void aWholeBarNeedsNoAreas() {
        memory(BAR, new BarMemory.Area(0, SIZE));
        try (OpenCore disk = new OpenCore(function)) {
            VfioRegionInfo info = disk.file.regionInfo(BAR);
            assertThat(info.flags()).isEqualTo(7);
            assertThat(info.capabilities()).isEmpty();
            assertThat(disk.file.regionMemory(BAR)).contains(new VfioRegionMemory(fd, 4096));
        }
    }

    @Test
    void partsOfABarAreSparseAreas() {
        memory(BAR, new BarMemory.Area(0, 4096), new BarMemory.Area(8192, 4096));
        try (OpenCore disk = new OpenCore(function)) {
            assertThat(areas(disk, BAR)).contains(List.of(new Area(0, 4096), new Area(8192, 4096)));
        }
    }

    @Test
    void trappedPagesAreLeftOutForAsLongAsTheTrapIs() {
        memory(BAR, new BarMemory.Area(0, SIZE));
        try (OpenCore disk = new OpenCore(function)) {
            VfioPciTrap trap = disk.core.trap(BAR, 4096 + 8, 4, LOOK_ON);
            assertThat(areas(disk, BAR)).contains(List.of(new Area(0, 4096), new Area(8192, 8192)));
            VfioPciTrap across = disk.core.trap(BAR, 8192 + 4092, 8, LOOK_ON);
            assertThat(areas(disk, BAR)).contains(List.of(new Area(0, 4096)));
            across.close();
            trap.close();
            assertThat(areas(disk, BAR)).isEmpty();
            assertThat(disk.file.regionInfo(BAR).flags()).isEqualTo(7);
        }
    }

    @Test
    void aBarOfWhichEveryPageIsTrappedCannotBeMapped() {
        memory(BAR, new BarMemory.Area(4096, 4096));
        try (OpenCore disk = new OpenCore(function);
                VfioPciTrap trap = disk.core.trap(BAR, 4096, 1, LOOK_ON)) {
            assertThat(trap.sizeBytes()).isEqualTo(1);
            assertThat(disk.file.regionInfo(BAR).flags()).isEqualTo(3);
            assertThat(disk.file.regionMemory(BAR)).isEmpty();
        }
    }

    @Test
    void thePagesOfTheMsixTableAreLeftOut() {
        FakePciFunction other = FakePciFunction.disk();
        other.set(FakePciFunction.MSIX + 4, 4, 0x1000 | BAR);
        other.set(FakePciFunction.MSIX + 8, 4, 0x3000 | BAR);
        other.done();
        other.barMemory.put(BAR, new BarMemory(fd, 0, List.of(new BarMemory.Area(0, SIZE))));
        try (OpenCore disk = new OpenCore(other)) {
            assertThat(areas(disk, BAR)).contains(List.of(new Area(0, 4096), new Area(8192, 4096)));
            assertThat(disk.file.regionInfo(BAR).capabilities()).contains(VfioRegionCapabilities.msixMappable());
        }
    }

    @Test
    void aBarOfTheMsixTableAloneCannotBeMapped() {
        memory(1, new BarMemory.Area(0, 4096));
        try (OpenCore disk = new OpenCore(function)) {
            assertThat(disk.file.regionInfo(1).flags()).isEqualTo(3);
            assertThat(disk.file.regionInfo(1).capabilities()).isEmpty();
            assertThat(disk.file.regionMemory(1)).isEmpty();
        }
    }

    @Test
    void anAddedRegionIsMappedAsItsFlagsAndCapabilitiesSay() {
        MemoryRegion plain = new MemoryRegion(1);
        plain.memory = Optional.of(new VfioRegionMemory(fd, 0));
        MemoryRegion sparse = new MemoryRegion(1);
        sparse.memory = plain.memory;
        sparse.capabilities = List.of(VfioRegionCapabilities.sparseMmap(List.of(new Area(4096, 12288))));
        int all = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE | VFIO_REGION_INFO_FLAG_MMAP;
        try (OpenCore disk = new OpenCore(function, core -> {
            core.registerDevRegion(1, 1, plain, SIZE, VFIO_REGION_INFO_FLAG_READ);
            core.registerDevRegion(1, 2, plain, SIZE, all);
            core.registerDevRegion(1, 3, sparse, SIZE, all);
        })) {
            assertThat(disk.file.regionMemory(9)).as("not by its flags").isEmpty();
            assertThat(disk.file.regionMemory(10)).isEqualTo(plain.memory);
            assertThat(areas(disk, 10)).as("the whole").isEmpty();
            assertThat(areas(disk, 11)).contains(List.of(new Area(4096, 12288)));
            disk.core.trap(11, 8192, 8, LOOK_ON);
            assertThat(areas(disk, 11)).contains(List.of(new Area(4096, 4096), new Area(12288, 4096)));
        }
    }

    @Test
    void anIoBarIsABarLikeTheOthers() {
        assertThat(function.bars().getFirst().kind()).isEqualTo(PciBar.Kind.IO);
        try (OpenCore disk = new OpenCore(function)) {
            assertThat(disk.file.regionInfo(0).flags()).isEqualTo(3);
        }
    }

    private void memory(int bar, BarMemory.Area... areas) {
        function.barMemory.put(bar, new BarMemory(fd, 4096, List.of(areas)));
    }

    private static Optional<List<Area>> areas(OpenCore disk, int region) {
        return VfioRegionCapabilities.sparseAreas(disk.file.regionInfo(region).capabilities());
    }
}
