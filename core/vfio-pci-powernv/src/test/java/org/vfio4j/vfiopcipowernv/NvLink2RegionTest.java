package org.vfio4j.vfiopcipowernv;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Mapping.PAGE_BYTES;
import static org.vfio4j.sys.Mapping.PROT_READ;
import static org.vfio4j.sys.Mapping.PROT_WRITE;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_NUM_REGIONS;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_MMAP;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_READ;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_WRITE;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.EmulatedFunctionBuilder;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Mapping;
import org.vfio4j.vfio.VfioInfoCapability;
import org.vfio4j.vfio.VfioRegionCapabilities;
import org.vfio4j.vfio.VfioRegionCapabilities.Type;
import org.vfio4j.vfio.VfioRegionInfo;
import org.vfio4j.vfio.VfioRegionMemory;
import org.vfio4j.vfiopci.testing.PassiveDevice;
import org.vfio4j.vfiopci.testing.ServedFunction;
import org.vfio4j.vfiopcicore.VfioPciCore;

/** The regions of a GPU and of a link's bridge, as a client of the protocol uses them. */
class NvLink2RegionTest {

    private static final int REGION = VFIO_PCI_NUM_REGIONS;
    private static final int READ_WRITE = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
    private static final long TGT = 0x0400_0000_2000_0000L;
    private static final int RAM_BYTES = 1 << 20;

    private final EmulatedMemory ram = new EmulatedMemory(RAM_BYTES);
    private final EmulatedMemory atsd = new EmulatedMemory(PAGE_BYTES);

    @AfterEach
    void freeMemory() {
        ram.close();
        atsd.close();
    }

    @Test
    void refusesAnAtsdRegisterThatIsNotInOnePage() {
        PciDevice bridge = ServedFunction.bus().add(PciAddress.parse("06:00.0"), bridge(Optional.of(ram)));
        assertThatThrownBy(() -> VfioPciCore.create("test", bridge))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EINVAL))
                .hasMessageContaining("an ATSD register in 1048576 bytes, a page of " + PAGE_BYTES + " is needed");
    }

    @Test
    void functionsOfOthersAndWithoutPlatformDataHaveNoRegion() {
        PciFunction plain = new EmulatedFunctionBuilder(0x10de, 0x1db1).build(new PassiveDevice());
        PciFunction other = new EmulatedFunctionBuilder(0x1234, 0x1db1)
                .platform(NvLink2Gpu.class, new NvLink2Gpu(TGT, ram))
                .platform(NvLink2Bridge.class, new NvLink2Bridge(TGT, 3, Optional.of(atsd)))
                .build(new PassiveDevice());
        for (PciFunction function : List.of(plain, other)) {
            PciDevice device = ServedFunction.bus().add(PciAddress.parse("06:00.0"), function);
            assertThat(VfioPciCore.create("test", device).info().numRegions()).isEqualTo(REGION);
        }
    }

    @Test
    void aGpusMemorySaysWhatItIs() {
        try (ServedFunction gpu = served(gpu())) {
            VfioRegionInfo info = gpu.file().regionInfo(REGION);
            assertThat(info.sizeBytes()).isEqualTo(RAM_BYTES);
            assertThat(info.flags()).isEqualTo(READ_WRITE | VFIO_REGION_INFO_FLAG_MMAP);
            assertThat(VfioRegionCapabilities.type(info.capabilities())).contains(new Type(0x8000_10de, 1));
            assertThat(info.capabilities()).hasSize(2).endsWith(ssaTgt());
        }
    }

    @Test
    void aGpusMemoryIsReadAndWritten() {
        try (ServedFunction gpu = served(gpu())) {
            gpu.write(REGION, RAM_BYTES - 8, 8, 0x1122_3344_5566_7788L);
            assertThat(ram.bytes().get(JAVA_LONG_UNALIGNED, RAM_BYTES - 8)).isEqualTo(0x1122_3344_5566_7788L);
            ram.bytes().set(JAVA_BYTE, 0x1001, (byte) 0x42);
            assertThat(gpu.number(REGION, 0x1001, 1)).isEqualTo(0x42);
            assertThatThrownBy(() -> gpu.read(REGION, RAM_BYTES - 4, 8)).isInstanceOf(ErrnoException.class);
        }
    }

    @Test
    void aGpusMemoryIsMappedByItsUser() {
        try (ServedFunction gpu = served(gpu())) {
            VfioRegionMemory memory = gpu.file().regionMemory(REGION).orElseThrow();
            try (Mapping users = Mapping.shared(memory.fd(), memory.offset(), RAM_BYTES, PROT_READ | PROT_WRITE)) {
                users.segment().set(JAVA_LONG_UNALIGNED, 0x2000, 77);
            }
            assertThat(gpu.number(REGION, 0x2000, 8)).isEqualTo(77);
        }
    }

    @Test
    void aBridgesRegisterIsAPage() {
        try (ServedFunction bridge = served(bridge(Optional.of(atsd)))) {
            VfioRegionInfo info = bridge.file().regionInfo(REGION);
            assertThat(info.sizeBytes()).isEqualTo(PAGE_BYTES);
            assertThat(info.flags()).isEqualTo(READ_WRITE | VFIO_REGION_INFO_FLAG_MMAP);
            assertBridgeCapabilities(info);
            bridge.write(REGION, 0x10, 8, 5);
            assertThat(atsd.bytes().get(JAVA_LONG_UNALIGNED, 0x10)).isEqualTo(5);
            VfioRegionMemory memory = bridge.file().regionMemory(REGION).orElseThrow();
            try (Mapping users = Mapping.shared(memory.fd(), memory.offset(), PAGE_BYTES, PROT_READ)) {
                assertThat(users.segment().get(JAVA_LONG_UNALIGNED, 0x10)).isEqualTo(5);
            }
        }
    }

    @Test
    void aBridgeThatNoRegisterWasLeftForHasTheCapabilitiesAlone() {
        try (ServedFunction bridge = served(bridge(Optional.empty()))) {
            VfioRegionInfo info = bridge.file().regionInfo(REGION);
            assertThat(info.sizeBytes()).isZero();
            assertThat(info.flags()).isEqualTo(READ_WRITE);
            assertBridgeCapabilities(info);
            assertThat(bridge.file().regionMemory(REGION)).isEmpty();
            assertThatThrownBy(() -> bridge.read(REGION, 0, 1)).isInstanceOf(ErrnoException.class);
        }
    }

    private static void assertBridgeCapabilities(VfioRegionInfo info) {
        assertThat(VfioRegionCapabilities.type(info.capabilities())).contains(new Type(0x8000_1014, 1));
        assertThat(info.capabilities())
                .hasSize(3)
                .endsWith(ssaTgt(), new VfioInfoCapability(5, 1, new byte[] {9, 0, 0, 0, 0, 0, 0, 0}));
    }

    private static VfioInfoCapability ssaTgt() {
        return new VfioInfoCapability(4, 1, new byte[] {0, 0, 0, 0x20, 0, 0, 0, 4});
    }

    private PciFunction gpu() {
        return new EmulatedFunctionBuilder(0x10de, 0x1db1)
                .classCode(0x030200, 0xa1)
                .platform(NvLink2Gpu.class, new NvLink2Gpu(TGT, ram))
                .build(new PassiveDevice());
    }

    private static PciFunction bridge(Optional<NvLink2Memory> register) {
        return new EmulatedFunctionBuilder(0x1014, 0x04ea)
                .classCode(0x068000, 1)
                .platform(NvLink2Bridge.class, new NvLink2Bridge(TGT, 9, register))
                .build(new PassiveDevice());
    }

    private static ServedFunction served(PciFunction function) {
        return ServedFunction.of(ServedFunction.bus().add(PciAddress.parse("06:00.0"), function));
    }
}
