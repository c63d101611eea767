package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDeviceId;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/** The parameters of the kernel's vfio-pci, as a command line has them. */
class VfioPciOptionsTest {

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "disable_d3|there are ids, nointxmask",
                "''|there are ids",
                "nointxmask=maybe|1 or 0",
                "nointxmask=|1 or 0",
                "ids|no vendor:device",
                "ids=|no vendor:device",
                "ids=8086|no vendor:device",
                "ids=8086:154c,|no vendor:device",
                "ids=8086:154c:1:2:3:4:5|no vendor:device",
                "ids=8086:x|'8086:x'",
                "ids=8086:154c,8086:154C|twice",
                "enable_sriov enable_sriov=0|given twice"
            })
    void refusesWhatItDoesNotKnow(String words, String why) {
        assertThatThrownBy(() -> VfioPciOptions.parse(List.of(words.split(" "))))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EINVAL))
                .hasMessageContaining(why)
                .hasMessageContaining("vfio-pci option '");
    }

    @Test
    void everythingIsOffUntilItIsSaid() {
        assertThat(VfioPciOptions.parse(List.of())).isEqualTo(VfioPciOptions.DEFAULTS);
        assertThat(VfioPciOptions.of(new PciBus())).isEqualTo(VfioPciOptions.DEFAULTS);
    }

    @Test
    void flagsAreSaidAsTheKernelTakesThem() {
        VfioPciOptions all = new VfioPciOptions(List.of(), true, true, true, true, true);
        assertThat(VfioPciOptions.parse(List.of(
                        "nointxmask", "disable_vga=1", "disable_idle_d3=Y", "enable_sriov=on", "disable_denylist=t")))
                .isEqualTo(all);
        assertThat(VfioPciOptions.parse(
                        List.of("nointxmask=0", "disable_vga=n", "disable_idle_d3=OFF", "enable_sriov=f")))
                .isEqualTo(VfioPciOptions.DEFAULTS);
        assertThat(VfioPciOptions.parse(List.of("disable_vga")).disableVga()).isTrue();
    }

    @Test
    void idsAreListedWithCommas() {
        int any = PciDeviceId.ANY;
        assertThat(VfioPciOptions.parse(List.of("ids=8086:154c,15b3:101e:ffffffff:1,1af4:1042:1:2:010802:ffff00"))
                        .ids())
                .containsExactly(
                        PciDeviceId.of(0x8086, 0x154c),
                        new PciDeviceId(0x15b3, 0x101e, any, 1, 0, 0, false),
                        new PciDeviceId(0x1af4, 0x1042, 1, 2, 0x010802, 0xffff00, false));
    }

    @Test
    void aBusProvidesThem() {
        PciBus bus = new PciBus();
        VfioPciOptions options = VfioPciOptions.parse(List.of("enable_sriov"));
        bus.provide(VfioPciOptions.class, options);
        assertThat(VfioPciOptions.of(bus)).isSameAs(options);
    }
}
