package org.vfio4j.mlx5vfiopci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.vfio.VfioMigrationState.PRE_COPY;
import static org.vfio4j.vfio.VfioMigrationState.RESUMING;
import static org.vfio4j.vfio.VfioMigrationState.RUNNING;
import static org.vfio4j.vfio.VfioMigrationState.STOP_COPY;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.mlx5.SnapFunction;
import org.vfio4j.testkit.VfioPciConformance;
import org.vfio4j.userspace.disk.DiskDriver;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/** The migration of an NVMe function that a DPU emulates, where it is not that of any disk: see {@link MigrationUnderLoadTest}. */
class NvmeMigrationTest {

    private static final long DISK_BYTES = 8 << 20;

    @TempDir
    private Path directory;

    @Test
    void aVirtioDiskDoesNotTakeItsState() {
        try (MemoryBackend storage = new MemoryBackend(DISK_BYTES);
                Host first = new Host();
                Host second = new Host()) {
            first.addNvme(storage);
            second.addDisk(storage);
            VfioDeviceFile source = first.open();
            VfioDeviceFile target = second.open();
            byte[] state = Vmm.save(source);
            Vmm.go(target, RESUMING);
            SnapBindingTest.assertErrno(EINVAL, () -> Vmm.writeAll(target, state));
        }
    }

    @Test
    void itsSizeStaysWhileItIsMigrated() throws IOException {
        Path image = Files.write(directory.resolve("disk.img"), new byte[(int) DISK_BYTES]);
        try (FileBackend storage = FileBackend.open(image, false, FileIoMode.AUTO);
                Host host = new Host()) {
            SnapFunction snap = host.addNvme(storage);
            VfioDeviceFile file = host.open();
            Vmm.go(file, PRE_COPY);
            SnapBindingTest.assertErrno(EBUSY, () -> host.dpu.resize(snap, 2 * DISK_BYTES));
            Vmm.go(file, STOP_COPY);
            SnapBindingTest.assertErrno(EBUSY, () -> host.dpu.resize(snap, 2 * DISK_BYTES));
            assertThat(storage.sizeBytes()).isEqualTo(DISK_BYTES);
            Vmm.go(file, RUNNING);
            host.dpu.resize(snap, 2 * DISK_BYTES);
            assertThat(storage.sizeBytes()).isEqualTo(2 * DISK_BYTES);
            try (DiskDriver disk = DiskKind.NVME.open(file)) {
                assertThat(disk.capacityBytes()).isEqualTo(2 * DISK_BYTES);
            }
        }
    }

    @Test
    void keepsTheContractOfVfioPciDevices() {
        try (MemoryBackend storage = new MemoryBackend(1 << 20);
                Host host = new Host()) {
            host.addNvme(storage);
            Path socket = host.serve();
            VfioPciConformance.Report report = VfioPciConformance.check(() -> connect(socket));
            assertThat(report.broken()).isEmpty();
            assertThat(report.held())
                    .anyMatch(rule -> rule.startsWith("logging."))
                    .contains("migration.everyPairOfStatesAsTheTableSays", "migration.refusesACutStream")
                    .doesNotContain("migration.aDeviceWithoutItSaysENOTTY");
        }
    }

    private static VfioDeviceFile connect(Path socket) {
        return VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS);
    }
}
