package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.VfioPciConformance;
import org.vfio4j.testkit.VfioPciConformance.Report;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** A virtio-blk function keeps the contract of VFIO PCI devices, whoever uses it: a program of its process, or one over a socket. */
class ConformanceTest {

    private static final Leaks BEFORE = Leaks.snapshot();

    private final LocalDisk disk = new LocalDisk();

    @TempDir
    private Path directory;

    @AfterEach
    void close() {
        disk.close();
    }

    @AfterAll
    static void leavesNothing() {
        BEFORE.assertNone();
    }

    @TestFactory
    Stream<DynamicTest> inTheSameProcess() {
        LocalDisk own = new LocalDisk();
        return VfioPciConformance.rules(own::open).stream()
                .map(rule -> DynamicTest.dynamicTest(rule.name(), rule::check))
                .onClose(own::close);
    }

    @Test
    void overASocket() {
        EventLoop loop = new EventLoop();
        Path socket = directory.resolve("s");
        try (VfioUserServer server =
                VfioUserServer.listen(loop, socket, disk.openFile(), VfioUserServerOptions.DEFAULTS)) {
            Report report =
                    VfioPciConformance.check(() -> VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS));
            assertThat(report.broken()).isEmpty();
            assertThat(report.held()).hasSizeGreaterThan(50);
            assertThat(server.statistics().connections()).isGreaterThan(50);
        } finally {
            loop.close();
        }
    }

    @Test
    void saysNothingOnlyOfWhatADiskDoesNotHave() {
        List<String> silent = VfioPciConformance.check(disk::open).silent();
        assertThat(silent).allMatch(rule -> rule.matches("(migration|logging|capabilities\\.extended).*"));
    }
}
