package org.vfio4j.cli.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.text.CliException;

/** Disks of all kinds have files alike. */
class FileSettingsTest {

    @TempDir
    private Path directory;

    @ParameterizedTest
    @ValueSource(strings = {"virtio-blk", "nvme"})
    void refusesWhatDoesNotGoTogether(String kind) {
        refuses(kind, "direct without a file", "memory=1M", "direct");
        refuses(kind, "pin without a file", "memory=1M", "pin");
        refuses(kind, "incoming without a file", "memory=1M", "incoming");
        refuses(kind, "only io_uring pins memory", "file=disk.img", "pin", "io=sync");
        refuses(kind, "io=iopoll without direct", "file=disk.img", "io=iopoll");
    }

    @ParameterizedTest
    @ValueSource(strings = {"virtio-blk", "nvme"})
    void hintsAtWhatIsWrongWithTheFile(String kind) throws Exception {
        Path none = directory.resolve("none.img");
        hints(kind, "truncate -s 1G " + none, "file=" + none);
        hints(kind, "file=" + directory + "/disk.img", "file=" + directory);
        Path odd = Files.write(directory.resolve("odd.img"), new byte[513]);
        hints(kind, "truncate -s %512 " + odd + ", which appends zeroes", "file=" + odd);
        hints(
                kind,
                "without direct; or: truncate -s %512 " + odd + ", which appends zeroes",
                "file=" + odd,
                "direct",
                "io=sync");
    }

    @ParameterizedTest
    @ValueSource(strings = {"virtio-blk", "nvme"})
    void claimsAFileUnlessItsGuestIsToCome(String kind) throws Exception {
        String file = "file=" + Files.write(directory.resolve("disk.img"), new byte[4096]);
        try (EmulatedDevice first = open(kind, file);
                EmulatedDevice coming = open(kind, file, "incoming")) {
            assertThat(coming.description()).isEqualTo(first.description());
            hints(kind, "vfio ls, to see which server has it; readonly on both to share it", file);
        }
        try (EmulatedDevice one = open(kind, file, "readonly");
                EmulatedDevice other = open(kind, file, "readonly")) {
            assertThat(one.description()).isEqualTo(other.description()).endsWith(", read-only");
        }
    }

    private static void refuses(String kind, String what, String... settings) {
        assertThatThrownBy(() -> open(kind, settings))
                .isInstanceOfSatisfying(
                        CliException.class, e -> assertThat(e.getMessage()).contains(what));
    }

    private static void hints(String kind, String hint, String... settings) {
        assertThatThrownBy(() -> open(kind, settings))
                .isInstanceOfSatisfying(
                        CliException.class, e -> assertThat(e.hint()).isEqualTo(hint));
    }

    private static EmulatedDevice open(String kind, String... settings) {
        List<String> words = new ArrayList<>(List.of(kind));
        words.addAll(List.of(settings));
        return new DeviceKinds().plan(words).open(new PciAddress(0, 1, 0, 0));
    }
}
