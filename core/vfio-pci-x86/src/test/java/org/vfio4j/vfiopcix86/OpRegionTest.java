package org.vfio4j.vfiopcix86;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_CONFIG_REGION_INDEX;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_NUM_REGIONS;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_READ;

import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioRegionCapabilities;
import org.vfio4j.vfio.VfioRegionCapabilities.Type;
import org.vfio4j.vfio.VfioRegionInfo;
import org.vfio4j.vfiopci.testing.ServedFunction;
import org.vfio4j.vfiopcicore.VfioPciCore;

/** The OpRegion of integrated graphics, as a client of the protocol reads it. */
class OpRegionTest {

    private static final int REGION = VFIO_PCI_NUM_REGIONS;
    private static final int SIZE = EmulatedGraphics.SIZE;

    @Test
    void refusesWhatIsNoOpRegion() {
        EmulatedGraphics unsigned = new EmulatedGraphics(0x200);
        unsigned.opRegion.set(ValueLayout.JAVA_BYTE, 15, (byte) 'M');
        assertRefused(Errno.EINVAL, unsigned, "without its signature");
        EmulatedGraphics large = new EmulatedGraphics(0x200);
        large.opRegion.set(ValueLayout.JAVA_INT_UNALIGNED, 0x10, 9);
        assertRefused(Errno.EINVAL, large, "of 9 KiB, 8 are needed");
        assertRefused(Errno.ENOMEM, new EmulatedGraphics(0x200).base(0x1000_0000), "8192 bytes at 0x10000000");
        assertRefused(Errno.ENOMEM, new EmulatedGraphics(0x200).videoBios(0x1000, 16), "16 bytes at 0x1000");
    }

    @Test
    void refusesToBeWritten() {
        try (ServedFunction igd = served(new EmulatedGraphics(0x200))) {
            assertThatThrownBy(() -> igd.write(REGION, 0x100, 4, 1))
                    .isInstanceOfSatisfying(
                            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EINVAL));
            assertThatThrownBy(() -> igd.read(REGION, SIZE - 1, 2)).isInstanceOf(ErrnoException.class);
        }
    }

    @Test
    void isThereOnlyForIntelsVgaFunctionsWithABase() {
        EmulatedGraphics graphics = new EmulatedGraphics(0x200);
        assertThat(regions(graphics.function(0x10de, 0x030000))).isEqualTo(REGION);
        assertThat(regions(graphics.function(0x8086, 0x038000))).isEqualTo(REGION);
        assertThat(regions(graphics.base(0).function())).isEqualTo(REGION);
        assertThat(regions(graphics.base(-1).function())).isEqualTo(REGION);
        assertThat(regions(graphics.base(EmulatedGraphics.BASE).function())).isEqualTo(REGION + 1);
    }

    @Test
    void saysWhatItIs() {
        try (ServedFunction igd = served(new EmulatedGraphics(0x200))) {
            VfioRegionInfo info = igd.file().regionInfo(REGION);
            assertThat(info.sizeBytes()).isEqualTo(SIZE);
            assertThat(info.flags()).isEqualTo(VFIO_REGION_INFO_FLAG_READ);
            assertThat(VfioRegionCapabilities.type(info.capabilities())).contains(new Type(0x8000_8086, 1));
        }
    }

    @Test
    void withoutAnExtendedTableItIsTheFirmwares() {
        EmulatedGraphics graphics = new EmulatedGraphics(0x200);
        try (ServedFunction igd = served(graphics)) {
            assertThat(igd.read(REGION, 0, SIZE)).isEqualTo(graphics.opRegion.toArray(ValueLayout.JAVA_BYTE));
            graphics.opRegion.set(
                    ValueLayout.JAVA_BYTE, 0x120, (byte) ~graphics.opRegion.get(ValueLayout.JAVA_BYTE, 0x120));
            assertThat(igd.read(REGION, 0x120, 1)[0]).isEqualTo(graphics.opRegion.get(ValueLayout.JAVA_BYTE, 0x120));
        }
    }

    @Test
    void theTableOfVersion2_0IsAtAnAbsoluteAddressAndShownAs2_1() {
        byte[] table = table(5000);
        EmulatedGraphics graphics =
                new EmulatedGraphics(0x200).videoBios(0x1_2345_0000L, 5000).memory(0x1_2345_0000L, table);
        assertShown(graphics, 0x201, table);
    }

    @Test
    void theTableOfVersion2_1IsRelativeToTheOpRegion() {
        byte[] table = table(5000);
        EmulatedGraphics graphics =
                new EmulatedGraphics(0x201).videoBios(0x4000, 5000).memory(EmulatedGraphics.BASE + 0x4000, table);
        assertShown(graphics, 0x201, table);
    }

    @Test
    void versionsBefore2HaveNoTable() {
        try (ServedFunction igd = served(new EmulatedGraphics(0x100).videoBios(0x4000, 5000))) {
            assertThat(igd.file().regionInfo(REGION).sizeBytes()).isEqualTo(SIZE);
            assertThat(igd.number(REGION, 0x16, 2)).isEqualTo(0x100);
            assertThat(igd.number(REGION, 0x3ba, 8)).isZero();
        }
    }

    @Test
    void anyPieceOfItIsThatPieceOfAll() {
        byte[] table = table(100);
        EmulatedGraphics graphics =
                new EmulatedGraphics(0x200).videoBios(0x1000, 100).memory(0x1000, table);
        try (ServedFunction igd = served(graphics)) {
            byte[] all = igd.read(REGION, 0, SIZE + 100);
            Random random = new Random(2);
            for (int i = 0; i < 300; i++) {
                int near = new int[] {0x10, 0x3b4, SIZE - 8, random.nextInt(SIZE)}[i % 4];
                int from = near + random.nextInt(16);
                int count = 1 + random.nextInt(20);
                assertThat(igd.read(REGION, from, count))
                        .as("%d bytes at 0x%x", count, from)
                        .isEqualTo(Arrays.copyOfRange(all, from, from + count));
            }
        }
    }

    @Test
    void theBaseRegisterIsTheUsers() {
        PciFunction function = new EmulatedGraphics(0x200).function();
        try (ServedFunction igd = served(function)) {
            assertThat(igd.number(VFIO_PCI_CONFIG_REGION_INDEX, 0xfc, 4)).isEqualTo(EmulatedGraphics.BASE);
            igd.write(VFIO_PCI_CONFIG_REGION_INDEX, 0xfc, 4, 0x1234_5678);
            assertThat(igd.number(VFIO_PCI_CONFIG_REGION_INDEX, 0xfc, 4)).isEqualTo(0x1234_5678);
            assertThat(function.configRead(0xfc, 4)).isEqualTo(EmulatedGraphics.BASE);
        }
    }

    private static void assertShown(EmulatedGraphics graphics, int version, byte[] table) {
        byte[] expected = Arrays.copyOf(graphics.opRegion.toArray(ValueLayout.JAVA_BYTE), SIZE + table.length);
        System.arraycopy(table, 0, expected, SIZE, table.length);
        expected[0x16] = (byte) version;
        // The pointer to the table: right behind the OpRegion.
        Arrays.fill(expected, 0x3ba, 0x3c2, (byte) 0);
        expected[0x3bb] = SIZE >> 8;
        try (ServedFunction igd = served(graphics)) {
            assertThat(igd.file().regionInfo(REGION).sizeBytes()).isEqualTo(expected.length);
            assertThat(igd.read(REGION, 0, expected.length)).isEqualTo(expected);
        }
    }

    private static void assertRefused(int errno, EmulatedGraphics graphics, String message) {
        PciDevice device = ServedFunction.bus().add(PciAddress.parse("00:02.0"), graphics.function());
        assertThatThrownBy(() -> VfioPciCore.create("test", device))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno))
                .hasMessageContaining(message);
    }

    private static int regions(PciFunction function) {
        PciDevice device = ServedFunction.bus().add(PciAddress.parse("00:02.0"), function);
        return VfioPciCore.create("test", device).info().numRegions();
    }

    private static ServedFunction served(EmulatedGraphics graphics) {
        return served(graphics.function());
    }

    private static ServedFunction served(PciFunction function) {
        return ServedFunction.of(ServedFunction.bus().add(PciAddress.parse("00:02.0"), function));
    }

    private static byte[] table(int size) {
        byte[] table = new byte[size];
        new Random(size).nextBytes(table);
        return table;
    }
}
