package org.vfio4j.bus;

import static org.assertj.core.api.Assertions.assertThat;

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
        assertThat(Modalias.of("pci", function)).isEqualTo("pci:v00001AF4d00001042sv00001AF4sd00001100bc01sc80i00");
    }
}
