package org.vfio4j.cli.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.devicemodel.DeviceStatistics;

/** NVMe controllers on the command line. */
class NvmeKindTest {

    private final DeviceKinds kinds = new DeviceKinds();

    @Test
    void isServedAsAnyOtherFunction() {
        try (Machine machine = new Machine()) {
            ServerState.Function state =
                    machine.add(kinds.plan(List.of("nvme", "memory=1M"))).state();
            assertThat(state.kind()).isEqualTo("nvme");
            assertThat(state.id()).isEqualTo("15b3:6001");
            assertThat(state.driver()).isEqualTo("vfio-pci");
        }
    }

    @Test
    void eachStorageIsANamespace() {
        try (EmulatedDevice device = open("memory=1M", "null=1G", "memory=2M")) {
            assertThat(device.description()).isEqualTo("1 MiB, memory; 1 GiB, null; 2 MiB, memory");
        }
    }

    @Test
    void doorbellsCanBeMappedWhereSomebodyPollsOrThisIsWanted() {
        try (EmulatedDevice adaptive = open("memory=1M");
                EmulatedDevice always = open("memory=1M", "poll=always");
                EmulatedDevice mapped = open("memory=1M", "doorbells=mapped");
                EmulatedDevice trapped = open("memory=1M", "poll=always", "doorbells=trapped")) {
            assertThat(adaptive.function().barMemory(0)).isEmpty();
            assertThat(always.function().barMemory(0)).isPresent();
            assertThat(mapped.function().barMemory(0)).isPresent();
            assertThat(trapped.function().barMemory(0)).isEmpty();
        }
    }

    @Test
    void isTunedWhileItIsServed(@TempDir Path dir) throws IOException {
        Path image = Files.createFile(dir.resolve("disk.img"));
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(1 << 20);
        }
        try (EmulatedDevice device = open("file=" + image, "queues=2", "threads=2", "iops=500", "slow=1ms")) {
            assertThat(device.description()).startsWith("1 MiB, ").endsWith(", 500 requests/s");
            device.tuning().limit(DeviceTuning.UNCHANGED, 1 << 20);
            device.tuning().resize(2 << 20);
            assertThat(device.description()).startsWith("2 MiB, ").endsWith(", 500 requests/s, 1 MiB/s");
            assertThat(Files.size(image)).isEqualTo(2 << 20);
            assertThatThrownBy(() -> device.tuning().resize(1 << 20)).hasMessageContaining("EINVAL");
            assertThat(device.function().platform(DeviceStatistics.class))
                    .hasValueSatisfying(
                            statistics -> assertThat(statistics.slowNs()).isEqualTo(1_000_000));
        }
        try (EmulatedDevice two = open("memory=1M", "memory=1M")) {
            assertThatThrownBy(() -> two.tuning().resize(2 << 20)).hasMessageContaining("2 namespaces");
        }
    }

    @Test
    void refusesWhatMakesNoSense() {
        refuses("needed");
        refuses("block=1000", "memory=1M", "block=1000");
        refuses("queues=65", "memory=1M", "queues=65");
        refuses("doorbells=loud", "memory=1M", "doorbells=loud");
        refuses("serial=123456789012345678901", "memory=1M", "serial=123456789012345678901");
        refuses("threads=3", "memory=1M", "queues=2", "threads=3");
        refuses("auto, uring, iopoll or sync", "memory=1M", "io=fast");
        refuses("cpus=", "memory=1M", "cpus=x");
        refuses("iops=-1", "memory=1M", "iops=-1");
        refuses("'queue-size'", "memory=1M", "queue-size=4");
        refuses("memory needs a value", "memory");
    }

    private void refuses(String what, String... settings) {
        assertThatThrownBy(() -> open(settings))
                .isInstanceOfSatisfying(
                        CliException.class, e -> assertThat(e.getMessage()).contains(what));
    }

    private EmulatedDevice open(String... settings) {
        List<String> words = new ArrayList<>(List.of("nvme"));
        words.addAll(List.of(settings));
        return kinds.plan(words).open(new PciAddress(0, 1, 0, 0));
    }
}
