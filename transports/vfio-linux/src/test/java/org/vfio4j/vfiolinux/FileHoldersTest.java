package org.vfio4j.vfiolinux;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Who has a group open, by /proc. */
class FileHoldersTest {

    private static final Path GROUP = Path.of("/dev/vfio/7");

    @TempDir
    Path proc;

    @BeforeEach
    void others() throws IOException {
        process("1", "init", "/dev/null", "/dev/vfio/77");
        Files.createDirectories(proc.resolve("sys/fd"));
        // It is gone by the time that one looks.
        Files.createDirectories(proc.resolve("13"));
    }

    @Test
    void namesTheProcessesThatHaveIt() throws IOException {
        process("4711", "java", "/dev/vfio/vfio", "/dev/vfio/7", "anon_inode:[vfio-device]");
        process("4712", "qemu-system-x86", "/dev/vfio/7");
        assertThat(FileHolders.ofGroup(proc, GROUP))
                .isEqualTo("/dev/vfio/7 by process 4711 (java), process 4712 (qemu-system-x86)");
    }

    @Test
    void namesThoseThatMayHaveItWhenTheGroupItselfIsClosed() throws IOException {
        process("4711", "java", "anon_inode:[vfio-device]");
        assertThat(FileHolders.ofGroup(proc, GROUP))
                .isEqualTo("/dev/vfio/7 by a process that cannot be seen from here,"
                        + " or by one that has a VFIO device: process 4711 (java)");
    }

    @Test
    void aMapOfADeviceIsAUseOfIt() throws IOException {
        process("4711", "java", "/dev/null");
        Files.writeString(
                proc.resolve("4711/maps"),
                "7f00-7f01 rw-s 00000000 00:0e 12  anon_inode:[vfio-device]\n7f02-7f03 r--p 00000000 00:0e 13  /lib/x\n");
        assertThat(FileHolders.ofGroup(proc, GROUP)).endsWith("has a VFIO device: process 4711 (java)");
    }

    @Test
    void namesThoseThatHaveADeviceByItsOwnFile() throws IOException {
        process("4711", "qemu-system-x86", "/dev/iommu", "/dev/vfio/devices/vfio3");
        process("4712", "java", "/dev/null");
        Files.writeString(
                proc.resolve("4712/maps"), "7f00-7f01 rw-s 00000000 00:06 12          /dev/vfio/devices/vfio3\n");
        assertThat(FileHolders.ofGroup(proc, GROUP))
                .endsWith("one that has a VFIO device: process 4711 (qemu-system-x86), process 4712 (java)");
    }

    @Test
    void saysNoMoreThanItMaySee() {
        assertThat(FileHolders.ofGroup(proc, GROUP))
                .isEqualTo("/dev/vfio/7 by a process that cannot be seen from here");
    }

    private void process(String id, String command, String... files) throws IOException {
        Path descriptors = Files.createDirectories(proc.resolve(id).resolve("fd"));
        Files.writeString(proc.resolve(id).resolve("comm"), command + "\n");
        for (int i = 0; i < files.length; i++) {
            Files.createSymbolicLink(descriptors.resolve("" + i), Path.of(files[i]));
        }
    }
}
