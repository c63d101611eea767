package org.vfio4j.mlx5vfiopci;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.testkit.VfioPciConformance;
import org.vfio4j.testkit.VfioPciConformance.Report;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/** A function that a DPU emulates keeps the contract of VFIO PCI devices, over a socket. */
class Mlx5ConformanceTest {

    @Test
    void keepsTheContract() {
        try (MemoryBackend storage = new MemoryBackend(1 << 20);
                Host host = new Host()) {
            host.addDisk(storage);
            Path socket = host.serve();
            Report report =
                    VfioPciConformance.check(() -> VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS));
            assertThat(report.broken()).isEmpty();
            assertThat(report.held())
                    .anyMatch(rule -> rule.startsWith("logging."))
                    .contains("migration.everyPairOfStatesAsTheTableSays", "migration.refusesACutStream")
                    .doesNotContain("migration.aDeviceWithoutItSaysENOTTY");
        }
    }
}
