package org.vfio4j.vfiopcix86;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_CONFIG_REGION_INDEX;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_VGA_REGION_INDEX;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_READ;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_WRITE;

import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.EmulatedFunctionBuilder;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioRegionInfo;
import org.vfio4j.vfiopci.testing.PassiveDevice;
import org.vfio4j.vfiopci.testing.ServedFunction;
import org.vfio4j.vfiopcicore.VfioPciOptions;

/** The VGA region: memory and ports that no BAR decodes, at their legacy addresses. */
class VgaRegionTest {

    private static final int VGA = VFIO_PCI_VGA_REGION_INDEX;

    private final EmulatedGraphics graphics = new EmulatedGraphics(0x200);

    @ParameterizedTest
    @ValueSource(ints = {0, 0x3ac, 0x3bc, 0x3e0, 0x9fffc, 0xc0000})
    void refusesAddressesThatVgaDoesNotDecode(int address) {
        try (ServedFunction vga = served(graphics.function(0x1234, 0x030000))) {
            assertRefused(() -> vga.read(VGA, address, 4));
            assertRefused(() -> vga.write(VGA, address, 4, 1));
        }
    }

    @Test
    void refusesAccessesThatLeaveARange() {
        try (ServedFunction vga = served(graphics.function(0x1234, 0x030000))) {
            assertRefused(() -> vga.read(VGA, 0x3af, 2));
            assertRefused(() -> vga.read(VGA, 0x3ba, 4));
            assertRefused(() -> vga.read(VGA, 0x3b0, 48));
            assertRefused(() -> vga.write(VGA, 0xbfffe, 4, 1));
            assertThat(graphics.vgaLog).isEmpty();
        }
    }

    @Test
    void isThereOnlyForVgaFunctionsThatThePlatformReaches() {
        PciFunction unreachable = new EmulatedFunctionBuilder(0x1234, 0x1111)
                .classCode(0x030000, 0)
                .build(new PassiveDevice());
        try (ServedFunction vga = served(unreachable)) {
            assertThat(vga.file().regionInfo(VGA).sizeBytes()).isZero();
        }
        try (ServedFunction vga = served(graphics.function(0x1234, 0x038000))) {
            assertThat(vga.file().regionInfo(VGA).sizeBytes()).isZero();
            assertRefused(() -> vga.read(VGA, 0x3c0, 1));
        }
    }

    @Test
    void isNotThereWithDisableVga() {
        PciBus bus = ServedFunction.bus();
        bus.provide(VfioPciOptions.class, VfioPciOptions.parse(List.of("disable_vga")));
        PciFunction function = graphics.function(0x1234, 0x030000);
        try (ServedFunction vga = ServedFunction.of(bus.add(PciAddress.parse("01:00.0"), function))) {
            assertThat(vga.file().regionInfo(VGA).sizeBytes()).isZero();
        }
    }

    @Test
    void isAsLargeAsTheLegacyAddressesGo() {
        try (ServedFunction vga = served(graphics.function(0x1234, 0x030000))) {
            VfioRegionInfo info = vga.file().regionInfo(VGA);
            assertThat(info.sizeBytes()).isEqualTo(0xc0000);
            assertThat(info.flags()).isEqualTo(VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE);
        }
    }

    @Test
    void reachesMemoryAndPortsInNaturalPieces() {
        try (ServedFunction vga = served(graphics.function(0x1234, 0x030000))) {
            vga.write(VGA, 0x3c4, 2, 0x0f02);
            assertThat(vga.number(VGA, 0x3c5, 1)).isEqualTo(0x0f);
            vga.write(VGA, 0xa0001, 8, 0x1122_3344_5566_7788L);
            assertThat(vga.number(VGA, 0xa0001, 8)).isEqualTo(0x1122_3344_5566_7788L);
            vga.write(VGA, 0xbffff, 1, 0x42);
            assertThat(vga.number(VGA, 0xbffff, 1)).isEqualTo(0x42);
            assertThat(vga.number(VGA, 0x3bb, 1)).isZero();
            assertThat(graphics.vgaLog)
                    .containsExactly(
                            "w2@3c4",
                            "r1@3c5",
                            "w1@a0001",
                            "w2@a0002",
                            "w4@a0004",
                            "w1@a0008",
                            "r1@a0001",
                            "r2@a0002",
                            "r4@a0004",
                            "r1@a0008",
                            "w1@bffff",
                            "r1@bffff",
                            "r1@3bb");
        }
    }

    @Test
    void memoryDecodeDoesNotMatter() {
        try (ServedFunction vga = served(graphics.function(0x1234, 0x030000))) {
            vga.write(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, 2, 0);
            vga.write(VGA, 0xa0000, 4, 7);
            assertThat(vga.number(VGA, 0xa0000, 4)).isEqualTo(7);
        }
    }

    private static void assertRefused(ThrowingCallable access) {
        assertThatThrownBy(access)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EINVAL));
    }

    private static ServedFunction served(PciFunction function) {
        return ServedFunction.of(ServedFunction.bus().add(PciAddress.parse("01:00.0"), function));
    }
}
