package org.vfio4j.vfiolinux;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.VfioIoctl.VFIO_IOMMU_GET_INFO;
import static org.vfio4j.uapi.VfioIoctl.VFIO_IOMMU_MAP_DMA;
import static org.vfio4j.uapi.VfioIoctl.VFIO_IOMMU_UNMAP_DMA;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MemFd;
import org.vfio4j.sys.ResourceLimits;
import org.vfio4j.uapi.Vfio;
import org.vfio4j.uapi.VfioKernel.DmaMap;
import org.vfio4j.uapi.VfioKernel.DmaUnmap;
import org.vfio4j.uapi.VfioKernel.IommuType1Info;
import org.vfio4j.vfio.VfioCapabilityChain;
import org.vfio4j.vfio.VfioInfoCapability;

/** Mapping memory with the IOMMU of type1. */
class Type1ContainerTest {

    private static final int BOTH = DmaSpace.READ | DmaSpace.WRITE;
    private static final long SIZE = 0x4000;

    private final List<String> done = new ArrayList<>();
    private final FakeKernel kernel = new FakeKernel()
            .on(VFIO_IOMMU_MAP_DMA, structure -> {
                assertThat(structure.get(JAVA_LONG, DmaMap.VADDR)).isPositive();
                done.add("map " + structure.get(JAVA_LONG, DmaMap.IOVA) + " " + structure.get(JAVA_LONG, DmaMap.SIZE)
                        + " " + structure.get(JAVA_INT, DmaMap.FLAGS));
            })
            .on(
                    VFIO_IOMMU_UNMAP_DMA,
                    structure -> done.add("unmap " + structure.get(JAVA_LONG, DmaUnmap.IOVA) + " "
                            + structure.get(JAVA_LONG, DmaUnmap.SIZE) + " " + structure.get(JAVA_INT, DmaUnmap.FLAGS)));
    private final Fd memory = MemFd.create("memory", SIZE);

    @AfterEach
    void close() {
        memory.close();
    }

    @Test
    void rejectsRangesThatAreNotWholePages() {
        assertThatThrownBy(() -> container(true).map(0x1001, SIZE, BOTH, memory, 0))
                .hasMessageContaining("iova 0x1001")
                .hasMessageContaining("EINVAL");
        assertThatThrownBy(() -> container(true).map(0, 0, BOTH, memory, 0)).hasMessageContaining("EINVAL");
        assertThatThrownBy(() -> container(true).map(0, SIZE, BOTH, memory, 8)).hasMessageContaining("EINVAL");
        assertThatThrownBy(() -> container(true).map(0, SIZE, 0, memory, 0)).hasMessageContaining("access 0");
        assertThat(done).isEmpty();
    }

    @Test
    void leavesNothingMapped() {
        int before = Mapping.openCount();
        container(true).map(0x100000, SIZE, DmaSpace.READ, memory, 0);
        assertThat(done).containsExactly("map 1048576 16384 " + Vfio.VFIO_DMA_MAP_FLAG_READ);
        assertThat(Mapping.openCount()).isEqualTo(before);
    }

    @Test
    void memoryThatIsMissingIsAnErrorOfTheCall() {
        kernel.on(VFIO_IOMMU_MAP_DMA, structure -> refuse(Errno.EFAULT));
        assertThatThrownBy(() -> container(true).map(0, SIZE, BOTH, memory, 1 << 20))
                .hasMessage("DMA map iova 0x0 size 0x4000: the file has no memory there that can be pinned: EFAULT (Bad"
                        + " address)");
    }

    @Test
    void theLimitOfPinnedMemoryIsNamed() {
        kernel.on(VFIO_IOMMU_MAP_DMA, structure -> refuse(Errno.ENOMEM));
        String limit = ResourceLimits.lockedMemoryBytes().isPresent() ? "RLIMIT_MEMLOCK" : "ENOMEM";
        assertThatThrownBy(() -> container(true).map(0, SIZE, BOTH, memory, 0)).hasMessageContaining(limit);
    }

    @Test
    void whatHasNoRoomInThisProcessIsNoRefusalOfTheIommu() {
        assertThatThrownBy(() -> container(true).map(0, 1L << 60, BOTH, memory, 0))
                .hasMessageStartingWith("mmap ")
                .hasMessageContaining("ENOMEM")
                .hasMessageNotContaining("RLIMIT_MEMLOCK");
        assertThat(kernel.requests).isEmpty();
    }

    @Test
    void rangesOfTheIommuAreNamed() {
        kernel.on(VFIO_IOMMU_MAP_DMA, structure -> refuse(Errno.EINVAL)).on(VFIO_IOMMU_GET_INFO, structure -> {
            MemorySegment body = MemorySegment.ofArray(new byte[40]);
            body.set(JAVA_INT.withByteAlignment(1), 0, 2);
            body.set(JAVA_LONG.withByteAlignment(1), 16, 0xfedf_ffffL);
            body.set(JAVA_LONG.withByteAlignment(1), 24, 0xfef0_0000L);
            body.set(JAVA_LONG.withByteAlignment(1), 32, 0x7f_ffff_ffffL);
            byte[] bytes = body.toArray(JAVA_BYTE);
            List<VfioInfoCapability> capabilities = List.of(new VfioInfoCapability(1, 1, bytes));
            VfioCapabilityChain.put(capabilities, structure, IommuType1Info.SIZEOF);
            structure.set(JAVA_INT, IommuType1Info.FLAGS, 3);
            structure.set(JAVA_INT, IommuType1Info.CAP_OFFSET, IommuType1Info.SIZEOF);
            int needed = IommuType1Info.SIZEOF + VfioCapabilityChain.sizeBytes(capabilities);
            structure.set(JAVA_INT, IommuType1Info.ARGSZ, needed);
        });
        assertThatThrownBy(() -> container(true).map(0xfee0_0000L, SIZE, BOTH, memory, 0))
                .hasMessage("DMA map iova 0xfee00000 size 0x4000: the IOMMU has 0x0 to 0xfedfffff, 0xfef00000 to"
                        + " 0x7fffffffff: EINVAL (Invalid argument)");
    }

    @Test
    void unmapsExactlyAMap() {
        Type1Container container = container(true);
        container.map(0x100000, SIZE, BOTH, memory, 0);
        assertThatThrownBy(() -> container.unmap(0x100000, 0x1000)).hasMessageContaining("ENOENT");
        assertThatThrownBy(() -> container.unmap(0x101000, SIZE)).hasMessageContaining("ENOENT");
        container.unmap(0x100000, SIZE);
        assertThatThrownBy(() -> container.unmap(0x100000, SIZE)).hasMessageContaining("ENOENT");
        assertThat(done).containsExactly("map 1048576 16384 3", "unmap 1048576 16384 0");
    }

    @Test
    void unmapsEverythingAtOnce() {
        Type1Container container = container(true);
        container.map(0x100000, SIZE, BOTH, memory, 0);
        container.unmapAll();
        assertThat(done).endsWith("unmap 0 0 " + Vfio.VFIO_DMA_UNMAP_FLAG_ALL);
        assertThatThrownBy(() -> container.unmap(0x100000, SIZE)).hasMessageContaining("ENOENT");
    }

    @Test
    void unmapsEverythingPieceByPieceWhereTheKernelCannot() {
        Type1Container container = container(false);
        container.map(0x100000, SIZE, BOTH, memory, 0);
        container.map(0x200000, SIZE, BOTH, memory, 0);
        container.unmapAll();
        assertThat(done).endsWith("unmap 1048576 16384 0", "unmap 2097152 16384 0");
    }

    private Type1Container container(boolean unmapsAll) {
        return new Type1Container(Fd.none(), kernel, unmapsAll);
    }

    private static void refuse(int errno) {
        throw new ErrnoException(errno, "ioctl");
    }
}
