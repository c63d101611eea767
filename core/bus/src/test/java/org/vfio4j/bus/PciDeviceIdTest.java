package org.vfio4j.bus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.bus.BusTesting.assertErrno;
import static org.vfio4j.sys.Errno.EINVAL;

import java.util.List;
import org.junit.jupiter.api.Test;

/** struct pci_device_id: each field by itself keeps a function out or lets it in. */
class PciDeviceIdTest {

    private static final int ANY = PciDeviceId.ANY;

    private final FakeFunction function = new FakeFunction();

    @Test
    void anotherIdInAnyFieldIsNoMatch() {
        assertThat(new PciDeviceId(0x8086, ANY, ANY, ANY, 0, 0, false).matches(function))
                .isFalse();
        assertThat(new PciDeviceId(ANY, 0x1041, ANY, ANY, 0, 0, false).matches(function))
                .isFalse();
        assertThat(new PciDeviceId(ANY, ANY, 0x8086, ANY, 0, 0, false).matches(function))
                .isFalse();
        assertThat(new PciDeviceId(ANY, ANY, ANY, 0x1101, 0, 0, false).matches(function))
                .isFalse();
        assertThat(new PciDeviceId(ANY, ANY, ANY, ANY, 0x020000, 0xffffff, false).matches(function))
                .isFalse();
    }

    @Test
    void theClassCountsAsFarAsItsMaskGoes() {
        assertThat(new PciDeviceId(ANY, ANY, ANY, ANY, 0x010000, 0xff0000, false).matches(function))
                .isTrue();
        assertThat(new PciDeviceId(ANY, ANY, ANY, ANY, 0x010000, 0xffff00, false).matches(function))
                .isFalse();
    }

    @Test
    void theRevisionIsNoPartOfTheClass() {
        assertThat(new PciDeviceId(ANY, ANY, ANY, ANY, FakeFunction.CLASS, 0xffffff, false).matches(function))
                .isTrue();
    }

    @Test
    void fieldsThatAreNamedMatchTogether() {
        assertThat(new PciDeviceId(
                                FakeFunction.VENDOR,
                                FakeFunction.DEVICE,
                                FakeFunction.SUBVENDOR,
                                FakeFunction.SUBDEVICE,
                                FakeFunction.CLASS,
                                0xffffff,
                                false)
                        .matches(function))
                .isTrue();
        assertThat(PciDeviceId.of(FakeFunction.VENDOR, FakeFunction.DEVICE).matches(function))
                .isTrue();
    }

    @Test
    void aliasIsWrittenAsTheKernelWritesIt() {
        assertThat(Modalias.of(function)).isEqualTo("pci:v00001AF4d00001042sv00001AF4sd00001100bc01sc80i00");
    }

    @Test
    void entriesOfTheTableAreWrittenAsDepmodWritesThem() {
        assertThat(PciDeviceId.of(0x8086, 0x154c).alias()).isEqualTo("pci:v00008086d0000154Csv*sd*bc*sc*i*");
        assertThat(PciDeviceId.vfio(0x15b3, 0x101e).alias()).isEqualTo("vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i*");
        assertThat(PciDeviceId.anyWithOverride().alias()).isEqualTo("vfio_pci:v*d*sv*sd*bc*sc*i*");
        assertThat(new PciDeviceId(ANY, ANY, 0x1af4, 0x1100, 0x010802, 0xffffff, false).alias())
                .isEqualTo("pci:v*d*sv00001AF4sd00001100bc01sc08i02");
        assertThat(new PciDeviceId(ANY, ANY, ANY, ANY, 0x010800, 0xffff00, false).alias())
                .isEqualTo("pci:v*d*sv*sd*bc01sc08i*");
    }

    @Test
    void anEntryMatchesADeviceByItsAliasAsByItsIds() {
        String modalias = Modalias.of(function);
        for (PciDeviceId id : List.of(
                PciDeviceId.of(FakeFunction.VENDOR, FakeFunction.DEVICE),
                PciDeviceId.of(FakeFunction.VENDOR, 0x1041),
                new PciDeviceId(ANY, ANY, FakeFunction.SUBVENDOR, ANY, 0, 0, false),
                new PciDeviceId(ANY, ANY, ANY, 0x1101, 0, 0, false),
                new PciDeviceId(ANY, ANY, ANY, ANY, 0x010000, 0xff0000, false),
                new PciDeviceId(ANY, ANY, ANY, ANY, 0x020000, 0xff0000, false))) {
            assertThat(new DriverAlias("d", id.alias()).matches(modalias))
                    .as(id.alias())
                    .isEqualTo(id.matches(function));
        }
    }

    @Test
    void refusesFieldsThatAreNoIds() {
        for (String text : List.of(
                "",
                "8086",
                "8086 154c 1 2 3 4 5",
                "8086 x",
                "8086 -1",
                "10000 1",
                "1 ffffffff",
                "1 2 12345",
                "1 2 3 4 1000000")) {
            assertErrno(EINVAL, () -> PciDeviceId.parse(List.of(text.split(" "))));
        }
    }

    @Test
    void fieldsThatAreNotGivenMatchEverything() {
        assertThat(PciDeviceId.parse(List.of("8086", "0x154C"))).isEqualTo(PciDeviceId.of(0x8086, 0x154c));
        assertThat(PciDeviceId.parse(List.of("8086", "154c", "ffffffff", "1")))
                .isEqualTo(new PciDeviceId(0x8086, 0x154c, ANY, 1, 0, 0, false));
        assertThat(PciDeviceId.parse(List.of("8086", "154c", "2", "1", "020000", "ffffff")))
                .isEqualTo(new PciDeviceId(0x8086, 0x154c, 2, 1, 0x020000, 0xffffff, false));
    }

    @Test
    void wildcardsStandForAnyTextAndForNothingElse() {
        DriverAlias alias = new DriverAlias("d", "pci:v*d01*");
        assertThat(alias.wildcards()).isEqualTo(2);
        assertThat(alias.matches("pci:vd01")).isTrue();
        assertThat(alias.matches("pci:v7d02d01x")).isTrue();
        assertThat(alias.matches("pci:v7d02")).isFalse();
        assertThat(alias.matches("vfio_pci:vd01")).isFalse();
        assertThat(new DriverAlias("d", "ab*ba").matches("aba")).isFalse();
        assertThat(new DriverAlias("d", "ab").matches("abc")).isFalse();
    }
}
