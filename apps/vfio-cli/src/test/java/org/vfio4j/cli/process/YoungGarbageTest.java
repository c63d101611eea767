package org.vfio4j.cli.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.cli.CliProcess;

/** Collections at a moment of the program's choice. */
class YoungGarbageTest {

    @TempDir
    private Path directory;

    @Test
    void isCollectedOnceAndNothingElseIs() {
        assertThat(collects("-Xmn4m"))
                .contains("collected")
                .containsOnlyOnce("Pause Young")
                .doesNotContain("Full");
    }

    @Test
    void isLeftWhereItIsWhenThereIsMoreRoomThanThat() {
        assertThat(collects("-Xmn400m")).contains("left").doesNotContain("Pause");
    }

    /** What a process of its own prints, whose heap is as it is told. */
    private String collects(String heap) {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        String classes = System.getProperty("java.class.path");
        List<String> program = List.of(
                java,
                "-XX:+UseSerialGC",
                "-Xmx600m",
                heap,
                "-Xlog:gc:stdout",
                "-cp",
                classes,
                Collects.class.getName());
        CliProcess process = CliProcess.under(directory, program);
        assertThat(process.exitCode()).as(process.err()).isZero();
        return process.out();
    }

    /** Its program. */
    static final class Collects {

        private Collects() {}

        public static void main(String[] args) {
            System.out.println(YoungGarbage.collect() ? "collected" : "left");
        }
    }
}
