package org.vfio4j.vfiolinux;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.testkit.VfioPciConformance;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;
import org.vfio4j.virtioblk.VirtioBlk;

/** A function of hardware that vfio-pci has keeps the contract of VFIO PCI devices as an emulated one does. */
class ConformanceTest {

    @TempDir
    private Path directory;

    @Test
    void overASocket() {
        Path socket = directory.resolve("s");
        EventLoop loop = new EventLoop();
        try (MemoryBackend storage = new MemoryBackend(1 << 20);
                VirtioBlk disk = VirtioBlk.builder(storage).build();
                IoAddressSpace memory = new IoAddressSpace(1024);
                HostMachine machine = new HostMachine(HostMachine.host(disk.function(), memory))) {
            LocalDeviceFile file = machine.open();
            try (VfioUserServer server = VfioUserServer.listen(loop, socket, file, VfioUserServerOptions.DEFAULTS)) {
                VfioPciConformance.Report report =
                        VfioPciConformance.check(() -> VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS));
                assertThat(report.broken()).isEmpty();
                assertThat(report.held()).hasSizeGreaterThan(40);
                assertThat(report.silent())
                        .allMatch(rule -> rule.matches("(migration|logging|capabilities\\.extended).*"));
                assertThat(server.statistics().connections()).isGreaterThan(40);
            }
        } finally {
            loop.close();
        }
    }
}
