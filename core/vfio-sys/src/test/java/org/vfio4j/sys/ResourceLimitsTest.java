package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** Limits of this process. */
class ResourceLimitsTest {

    @Test
    void lockedMemoryIsAsProcSays() throws Exception {
        String limit = Files.readString(Path.of("/proc/self/limits"))
                .lines()
                .filter(line -> line.startsWith("Max locked memory"))
                .map(line -> line.split("\\s{2,}")[1])
                .findFirst()
                .orElseThrow();
        String ours = ResourceLimits.lockedMemoryBytes().isEmpty()
                ? "unlimited"
                : Long.toString(ResourceLimits.lockedMemoryBytes().getAsLong());
        assertThat(ours).isEqualTo(limit);
    }
}
