package org.vfio4j.cli.demo;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.cli.CliProcess;

/** The demonstration is killed, which lets it end nothing: what it has started ends by itself. */
class DemoKilledTest {

    private static final long PATIENCE_NS = 60_000_000_000L;

    @TempDir
    private Path directory;

    /** While its server serves, and while a guest moves from that one to another. */
    @ParameterizedTest
    @ValueSource(ints = {1, 4})
    void nothingIsLeftOfItsProcesses(int count) {
        String seconds = count == 1 ? "60" : "0";
        try (CliProcess demo = new CliProcess(directory, "demo", "--seconds", seconds, "--upgrades", "100")) {
            ProcessHandle parent = ProcessHandle.of(demo.pid()).orElseThrow();
            await(demo, () -> parent.children().count() >= count);
            if (count == 1) {
                await(demo, () -> !demo.out().isEmpty());
            }
            List<ProcessHandle> children = parent.children().toList();
            demo.signal("KILL");
            await(demo, () -> children.stream().noneMatch(ProcessHandle::isAlive));
        }
    }

    private static void await(CliProcess demo, BooleanSupplier holds) {
        long deadline = System.nanoTime() + PATIENCE_NS;
        while (!holds.getAsBoolean()) {
            assertThat(System.nanoTime()).as("%s", demo).isLessThan(deadline);
            CliProcess.pause();
        }
    }
}
