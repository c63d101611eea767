package org.vfio4j.cli.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;

/** Virtual functions as settings of the device that can have them. */
class SriovPlanTest {

    @Test
    void eachSettingIsAVirtualFunction() {
        SriovPlan plan = (SriovPlan) plan(
                "memory=4M",
                "virtual-function=memory=1M,socket-path=/tmp/a,,b.sock,queues=2",
                "virtual-function=file=/tmp/c,,d.img");
        assertThat(plan.parts())
                .extracting(SriovPlan.Part::socket)
                .containsExactly(Optional.of(Path.of("/tmp/a,b.sock")), Optional.empty());
        assertThat(plan.places(PciAddress.parse("0000:00:01.6")))
                .containsExactly(
                        PciAddress.parse("0000:00:01.6"),
                        PciAddress.parse("0000:00:01.7"),
                        PciAddress.parse("0000:00:02.0"));
        assertThat(plan("memory=4M")).isNotInstanceOf(SriovPlan.class);
    }

    @Test
    void settingsAreReadAsTheyAreJoined() {
        List<Setting> settings =
                List.of(new Setting("file", "/tmp/a,b,,c"), new Setting("readonly", ""), new Setting("x", ","));
        assertThat(Setting.parse(List.of(Setting.join(settings)))).isEqualTo(settings);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "memory=zz | memory=zz: expected a size",
                "queues=2 | virtio-blk without storage",
                "memory=1M,qeues=2 | virtio-blk has no setting 'qeues'",
                "memory=1M,queues=257 | queues=257: expected a number from 1 to 256",
                "memory=1M,socket-path | socket-path needs a value",
                "memory=1M,socket-path=a,socket-path=b | socket-path=b: it has one socket",
                "memory=1M,virtual-function=memory=1M | virtio-blk has no setting 'virtual-function'",
            })
    void whatMakesNoSenseIsToldOfTheVirtualFunction(String text, String why) {
        assertThatThrownBy(() -> plan("memory=4M", "virtual-function=memory=1M", "virtual-function=" + text))
                .isInstanceOfSatisfying(
                        CliException.class, e -> assertThat(e.exitCode()).isEqualTo(ExitCode.USAGE))
                .hasMessageStartingWith("virtual function 1: " + why);
    }

    private static DevicePlan plan(String... settings) {
        return SriovPlan.of(
                new DeviceKinds(),
                "virtio-blk",
                List.of(settings).stream().map(Setting::of).toList());
    }
}
