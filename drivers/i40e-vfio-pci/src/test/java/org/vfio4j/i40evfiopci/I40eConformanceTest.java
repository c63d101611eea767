package org.vfio4j.i40evfiopci;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.vfio4j.i40evf.NetworkLink;
import org.vfio4j.testkit.VfioPciConformance;
import org.vfio4j.testkit.VfioPciConformance.Report;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/** The device keeps the contract of VFIO PCI devices, over a socket, whichever generation of migration it has. */
class I40eConformanceTest {

    @ParameterizedTest
    @EnumSource
    void keepsTheContract(I40eMigration generation) {
        try (Host host = new Host(generation)) {
            Path socket = host.serve(new NetworkLink().addPort(), "02:00:00:00:00:01");
            Report report =
                    VfioPciConformance.check(() -> VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS));
            assertThat(report.broken()).isEmpty();
            assertThat(report.held()).anyMatch(rule -> rule.startsWith("logging."));
            // Device states are V2's; V1 is what came before them.
            String onlyWithout = "migration.aDeviceWithoutItSaysENOTTY";
            List<String> migration = report.held().stream()
                    .filter(rule -> rule.startsWith("migration."))
                    .toList();
            if (generation == I40eMigration.V1) {
                assertThat(migration).containsExactly(onlyWithout);
            } else {
                assertThat(migration).hasSizeGreaterThan(10).doesNotContain(onlyWithout);
            }
        }
    }
}
