package org.vfio4j.vfiouser;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.sys.Errno.EFAULT;
import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;
import static org.vfio4j.vfiouser.DmaMessages.READ;
import static org.vfio4j.vfiouser.DmaMessages.READ_WRITE;
import static org.vfio4j.vfiouser.DmaMessages.map;

import java.io.BufferedReader;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.FileStat;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MemFd;
import org.vfio4j.sys.Seals;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.RawClient;

/** How the device reaches memory that came with a descriptor: by a map that can never shrink, else by the descriptor. */
class DmaAccessTest {

    private final Served served = new Served();
    private final MemorySegment buffer = Arena.ofAuto().allocate(0x4000);

    @AfterEach
    void close() {
        served.close();
    }

    @Test
    void sealsMemoryBeforeMappingIt() {
        try (RawClient client = served.client();
                Fd memory = MemFd.create("guest", 0x4000);
                Mapping guest = Mapping.shared(memory, 0, 0x4000, Mapping.PROT_READ | Mapping.PROT_WRITE)) {
            assertThat(client.call(map(READ_WRITE, 0x1000, 0x10000, 0x2000), memory)
                            .isError())
                    .isFalse();
            assertThat(Seals.get(memory) & Seals.F_SEAL_SHRINK).isEqualTo(Seals.F_SEAL_SHRINK);
            try (DmaWindow window = served.space().openWindow()) {
                window.enter();
                assertThat(window.translate(0x10000, 0x2000, DmaSpace.READ)).isPositive();
                buffer.set(JAVA_INT, 0, 0x600df00d);
                assertThat(window.write(0x10ffe, buffer.address(), 4)).isZero();
                assertThat(guest.segment().get(java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED, 0x1ffe))
                        .isEqualTo(0x600df00d);
            }
            client.expectSilence(10_000_000);
        }
    }

    @Test
    void memoryThatTakesNoSealIsReachedByItsDescriptorAndMayShrink() {
        try (RawClient client = served.client();
                Fd memory = MemFd.create("guest", 0x4000)) {
            Seals.add(memory, Seals.F_SEAL_SEAL);
            assertThat(client.call(map(READ_WRITE, 0, 0x10000, 0x4000), memory).isError())
                    .isFalse();
            try (DmaWindow window = served.space().openWindow()) {
                window.enter();
                assertThat(window.translate(0x10000, 4, DmaSpace.READ)).isZero();
                buffer.set(JAVA_INT, 0, 77);
                assertThat(window.write(0x10000, buffer.address(), 4)).isZero();
                assertThat(window.read(0x10000, buffer.address() + 8, 4)).isZero();
                assertThat(buffer.get(JAVA_INT, 8)).isEqualTo(77);
                FileIo.truncate(memory, 0x1000);
                assertThat(window.read(0x13000, buffer.address(), 4)).isEqualTo(-EFAULT);
            }
        }
    }

    @Test
    void refusesMemoryThatMayNotBeMappedAndWhoseDescriptorTakesNoWrites(@TempDir Path directory) throws IOException {
        Path file = directory.resolve("memory");
        Files.write(file, new byte[0x2000]);
        // What files on hugetlbfs answer to pwrite with EINVAL, this answers with EBADF.
        try (RawClient client = served.client();
                Fd readOnly = FileIo.open(file, FileIo.O_RDONLY)) {
            // Files are looked at by a worker, which stays for a while.
            assertThat(client.call(map(READ, 0, 0x10000, 0x2000), readOnly).isError())
                    .isFalse();
            Leaks before = Leaks.snapshot();
            assertThat(client.call(map(READ_WRITE, 0, 0, 0x2000), readOnly).error())
                    .isEqualTo(EOPNOTSUPP);
            assertThat(served.space().size()).isEqualTo(1);
            before.assertNone();
        }
    }

    @Test
    @EnabledIf(value = "hasPython", disabledReason = "NOT TESTED: a memfd of huge pages, which needs python3")
    void hugePagesAreForTrustedClientsSinceAHoleInThemMayNotBeFilledAgain() throws IOException {
        // A memfd that takes seals, of another process: Java has no way to make one of huge pages.
        Process owner = new ProcessBuilder(
                        "python3",
                        "-c",
                        "import os,sys; fd = os.memfd_create('huge', os.MFD_HUGETLB | os.MFD_ALLOW_SEALING);"
                                + " os.ftruncate(fd, 2 << 20); print(fd, flush=True); sys.stdin.read()")
                .start();
        try (RawClient client = served.client();
                BufferedReader out = owner.inputReader();
                Fd memory = FileIo.open(Path.of("/proc/" + owner.pid() + "/fd/" + out.readLine()), FileIo.O_RDWR)) {
            assertThat(FileStat.fsMagic(memory)).isEqualTo(FileStat.HUGETLBFS_MAGIC);
            assertThat(client.call(map(READ_WRITE, 0, 0, 2 << 20), memory).error())
                    .isEqualTo(EOPNOTSUPP);
            assertThat(Seals.get(memory)).isZero();
        } finally {
            owner.destroy();
        }
    }

    static boolean hasPython() {
        return Stream.of(System.getenv("PATH").split(":"))
                .anyMatch(path -> Files.isExecutable(Path.of(path, "python3")));
    }

    @Test
    void plainFilesAreNotMappedUnlessTheClientIsTrusted(@TempDir Path directory) throws IOException {
        Path file = directory.resolve("memory");
        Files.write(file, new byte[0x2000]);
        try (Served trusting = new Served(VfioUserServerOptions.DEFAULTS.withTrustClient(true))) {
            assertThat(translated(served, file)).isZero();
            assertThat(translated(trusting, file)).isPositive();
        }
    }

    @Test
    void refusesAccessesThatTheMapDoesNotAllow() {
        try (RawClient client = served.client();
                Fd memory = MemFd.create("guest", 0x4000)) {
            assertThat(client.call(map(READ, 0, 0x10000, 0x2000), memory).isError())
                    .isFalse();
            assertThat(client.call(map(READ, 0, 0x20000, 0x2000)).isError()).isFalse();
            try (DmaWindow window = served.space().openWindow()) {
                window.enter();
                for (long iova : new long[] {0x10000, 0x20000}) {
                    assertThat(window.translate(iova, 4, DmaSpace.WRITE)).isEqualTo(-EACCES);
                    assertThat(window.write(iova, buffer.address(), 4)).isEqualTo(-EACCES);
                    assertThat(window.translate(iova + 0x1ffe, 4, DmaSpace.READ))
                            .isEqualTo(-ENOENT);
                }
            }
            client.expectSilence(10_000_000);
        }
    }

    @Test
    void crossesMapsThatFollowOneAnother() {
        try (RawClient client = served.client();
                Fd memory = MemFd.create("guest", 0x4000)) {
            assertThat(client.call(map(READ_WRITE, 0x2000, 0x10000, 0x1000), memory)
                            .isError())
                    .isFalse();
            assertThat(client.call(map(READ_WRITE, 0, 0x11000, 0x1000), memory).isError())
                    .isFalse();
            try (DmaWindow window = served.space().openWindow()) {
                window.enter();
                for (int i = 0; i < 0x1000; i++) {
                    buffer.set(JAVA_BYTE, i, (byte) (i >> 4));
                }
                assertThat(window.write(0x10800, buffer.address(), 0x1000)).isZero();
                assertThat(window.read(0x10800, buffer.address() + 0x1000, 0x1000))
                        .isZero();
                assertThat(buffer.asSlice(0, 0x1000).mismatch(buffer.asSlice(0x1000, 0x1000)))
                        .isEqualTo(-1);
            }
        }
    }

    private static long translated(Served server, Path file) {
        try (RawClient client = server.client();
                Fd memory = FileIo.open(file, FileIo.O_RDWR)) {
            assertThat(client.call(map(READ_WRITE, 0, 0x10000, 0x2000), memory).isError())
                    .isFalse();
            try (DmaWindow window = server.space().openWindow()) {
                window.enter();
                return window.translate(0x10000, 0x2000, DmaSpace.READ);
            }
        }
    }
}
