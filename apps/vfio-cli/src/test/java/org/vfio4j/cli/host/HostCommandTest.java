package org.vfio4j.cli.host;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.cli.Cli;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.vfiolinux.HostPci;

/** {@code vfio host}: what can be seen without hardware that may be touched. */
class HostCommandTest {

    private static final String DISK = "0000:00:04.0";

    @TempDir
    Path root;

    @Test
    void rejectsWhatIsNoAddress() {
        for (String verb : new String[] {"show", "bind", "unbind"}) {
            Cli run = Cli.run("host", verb, "disk");
            assertThat(run.exitCode()).isEqualTo(ExitCode.USAGE);
            assertThat(run.errorLines())
                    .containsExactly(
                            "vfio: host " + verb
                                    + ": PCI address 'disk': expected [domain:]bus:device.function, as 0000:08:00.0",
                            "try: vfio host ls");
        }
    }

    @Test
    void asksForAVerb() {
        Cli run = Cli.run("host");
        assertThat(run.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(run.err()).contains("try: vfio host ls");
    }

    @Test
    void saysThatAFunctionIsNotThere() {
        Cli run = Cli.run("host", "show", "ffff:ff:1f.7");
        assertThat(run.exitCode()).isEqualTo(ExitCode.NOT_FOUND);
        assertThat(run.errorLines()[0]).contains("no PCI function ffff:ff:1f.7", "ENODEV");
        assertThat(run.errorLines()[1]).isEqualTo("try: vfio host ls");
    }

    @Test
    void listsAsData() {
        Cli run = Cli.run("host", "ls", "-o", "json");
        assertThat(run.exitCode()).isZero();
        assertThat(run.out()).contains("\"kind\" : \"HostFunction\"");
    }

    @Test
    void aMachineWithoutFunctionsSaysSo() {
        assertThat(list()).contains("this machine shows no PCI functions");
    }

    @Test
    void withoutAnIommuThatIsSaidOnce() throws IOException {
        function(DISK, "nvme");
        function("0000:00:05.0", "virtio-pci");
        assertThat(list())
                .contains("0000:00:04.0  1b36:0010  NVMe controller  nvme        -      no, no IOMMU  -")
                .containsOnlyOnce("note: without an IOMMU no function can be used: switch the IOMMU on");
    }

    @Test
    void aFunctionOfTheKernelsIsToBeBound() throws IOException {
        function(DISK, "nvme");
        group(DISK);
        assertThat(list()).contains("7      no, its driver is nvme  vfio host bind 0000:00:04.0");
    }

    @Test
    void aDiskThatIsMountedIsNotToBeBound() throws IOException {
        function(DISK, "nvme");
        group(DISK);
        write("sys/bus/pci/devices/" + DISK + "/nvme0n1/dev", "259:0");
        link("sys/class/block/nvme0n1", "sys/bus/pci/devices/" + DISK + "/nvme0n1");
        write("proc/self/mountinfo", "22 1 259:0 / /home rw - ext4 /dev/nvme0n1 rw");
        assertThat(list()).contains("no, nvme0n1 is mounted at /home  vfio host show 0000:00:04.0");
    }

    @Test
    void aFunctionThatIsBoundIsUsableOnceVfioIsThere() throws IOException {
        function(DISK, "vfio-pci");
        group(DISK);
        assertThat(list()).contains("no, there is no " + root + "/dev/vfio/vfio", "modprobe vfio-pci");
        write("dev/vfio/vfio", "");
        write("dev/vfio/7", "");
        assertThat(list()).contains("vfio-pci  7      yes     -");
    }

    @Test
    void ofAGroupThoseAreToBeBoundThatAreInTheWay() throws IOException {
        function(DISK, "vfio-pci");
        function("0000:00:05.0", "igb");
        function("0000:00:06.0", "pci-stub");
        write("sys/bus/pci/devices/0000:00:07.0/class", "0x010802");
        for (String address : new String[] {DISK, "0000:00:05.0", "0000:00:06.0", "0000:00:07.0"}) {
            group(address);
            write("sys/kernel/iommu_groups/7/devices/" + address + "/class", "");
        }
        assertThat(list())
                .containsPattern(
                        DISK + " .* is not viable: 0000:00:05.0 has driver igb +vfio host bind 0000:00:05.0 *\n");
    }

    @Test
    void realDisksAreOnlyWrittenByTwoWords() {
        Cli run = Cli.run("bench", "nvme", "--host", "ffff:ff:1f.7", "--workload", "randread,mixed");
        assertThat(run.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(run.err()).contains("--workload mixed destroys what is on a real disk: --write is needed beside it");
    }

    @Test
    void measuresNothingThatIsNotThere() {
        Cli run = Cli.run("bench", "nvme", "--host", "ffff:ff:1f.7");
        assertThat(run.exitCode()).isEqualTo(ExitCode.NOT_FOUND);
        assertThat(run.err()).contains("no PCI function ffff:ff:1f.7", "try: vfio host ls");
    }

    private String list() {
        StringWriter text = new StringWriter();
        PrintWriter out = new PrintWriter(text, true);
        HostLsCommand.print(out, out, HostLsCommand.entries(new HostPci(root)));
        return text.toString();
    }

    private void function(String address, String driver) throws IOException {
        String device = "sys/bus/pci/devices/" + address;
        write(device + "/vendor", "0x1b36");
        write(device + "/device", "0x0010");
        write(device + "/class", "0x010802");
        link(device + "/driver", "sys/bus/pci/drivers/" + driver);
    }

    private void group(String address) throws IOException {
        link("sys/bus/pci/devices/" + address + "/iommu_group", "sys/kernel/iommu_groups/7");
    }

    private void write(String path, String text) throws IOException {
        Files.createDirectories(root.resolve(path).getParent());
        Files.writeString(root.resolve(path), text + "\n");
    }

    private void link(String path, String target) throws IOException {
        Files.createDirectories(root.resolve(target));
        Files.createDirectories(root.resolve(path).getParent());
        Files.createSymbolicLink(root.resolve(path), root.resolve(target));
    }
}
