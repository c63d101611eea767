package org.vfio4j.mtty;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;
import java.util.UUID;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.mdevcore.MdevBus;
import org.vfio4j.mdevcore.MdevParent;
import org.vfio4j.testkit.VfioPciConformance;
import org.vfio4j.testkit.VfioPciConformance.Report;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiomdev.VfioMdevDriver;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** An mdev that is on no PCI bus keeps the contract of VFIO PCI devices, over a socket. */
class MttyConformanceTest {

    @ParameterizedTest
    @ValueSource(strings = {"mtty-1", "mtty-2"})
    void keepsTheContract(String type, @TempDir Path dir) {
        VfioRegistry registry = new VfioRegistry();
        MdevBus bus = new MdevBus();
        Path socket = dir.resolve("mtty.sock");
        try (Mtty mtty = new Mtty();
                EventLoop loop = new EventLoop()) {
            MdevParent parent = mtty.register(bus, new VfioMdevDriver(registry));
            UUID uuid = new UUID(7, 7);
            bus.create(parent, parent.type(type), uuid);
            try (VfioUserServer server = VfioUserServer.listen(
                    loop, socket, registry.open(uuid.toString()), VfioUserServerOptions.DEFAULTS)) {
                assertThat(server).isNotNull();
                Report report =
                        VfioPciConformance.check(() -> VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS));
                assertThat(report.broken()).isEmpty();
                assertThat(report.held())
                        .contains("migration.everyPairOfStatesAsTheTableSays", "migration.takesBackWhatItGave");
            }
            bus.unregister(parent, Duration.ofSeconds(5));
        }
    }
}
