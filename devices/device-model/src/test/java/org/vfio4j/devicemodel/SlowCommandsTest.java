package org.vfio4j.devicemodel;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import jdk.jfr.FlightRecorder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Slow commands in a process in which nobody has started Flight Recorder: a JVM of its own, since in this one somebody may have. */
@Timeout(60)
class SlowCommandsTest {

    @Test
    void aSlowCommandDoesNotLoadFlightRecorder() throws Exception {
        String printed = run();
        assertThat(printed)
                .contains("slow true, recorder false")
                .contains(SlowCommands.class.getName() + " source:")
                .doesNotContain(SlowCommandEvent.class.getName() + " source:")
                .doesNotContain("jdk.jfr.internal.PlatformRecorder source:");
    }

    private static String run() throws IOException, InterruptedException {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:+UseSerialGC",
                        "-Xlog:class+load",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Device.class.getName())
                .redirectErrorStream(true)
                .start();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(printed).isZero();
        return printed;
    }

    /** A device with a command that was slow. */
    static final class Device {

        private static final long SLOW_NS = 1_000_000;

        private Device() {}

        public static void main(String... args) {
            QueueStatistics queue = new DeviceRecorder("disk-7", 1, SLOW_NS, () -> 0).queue(0);
            queue.started(1);
            boolean slow = queue.completed(CommandKind.READ, 4096, SLOW_NS + 1, true);
            queue.slow("VIRTIO_BLK_T_IN", 77, 4096, SLOW_NS + 1, 0);
            System.out.println("slow " + slow + ", recorder " + FlightRecorder.isInitialized());
        }
    }
}
