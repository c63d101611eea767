package org.vfio4j.bus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.vfio4j.bus.BusTesting.FIRST;
import static org.vfio4j.bus.BusTesting.ITS_ID;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An unmodified lspci reads the view: the judge of whether it looks as sysfs does. */
class LspciTest {

    private static final List<Path> PLACES =
            List.of(Path.of("/usr/bin/lspci"), Path.of("/usr/sbin/lspci"), Path.of("/sbin/lspci"));

    @TempDir
    private Path directory;

    @BeforeEach
    void isInstalled() {
        assumeTrue(
                PLACES.stream().anyMatch(Files::isExecutable),
                "lspci is NOT INSTALLED, so nothing is held against it: apt-get install pciutils");
    }

    @Test
    void showsTheFunctionWithItsIdsAddressesAndDriver() throws Exception {
        PciBus bus = new PciBus();
        bus.register(new FakeDriver("some-driver", ITS_ID));
        PciBar bar = new PciBar(4, 1 << 14, PciBar.Kind.MEM64, true);
        PciDevice device = bus.add(FIRST, new FakeFunction(4096, bar));
        device.function().configWrite(4, 2, 2); // decodes memory
        try (SysfsView view = SysfsView.open(bus, directory.resolve("pci"))) {
            String shown = lspci(view.directory(), "-Dnnvvv");
            assertThat(shown)
                    .contains("0000:00:01.0 ")
                    .contains("[0180]")
                    .contains("[1af4:1042]")
                    .contains("[1af4:1100]")
                    .contains("Mem+ BusMaster-")
                    .contains("Region 4: Memory at "
                            + Long.toHexString(device.resources().getFirst().start())
                            + " (64-bit, prefetchable) [size=16K]")
                    .contains("Kernel driver in use: some-driver");
            assertThat(lspci(view.directory(), "-xxxx").lines().filter(line -> line.startsWith("ff0:")))
                    .hasSize(1);
        }
    }

    @Test
    void drawsTheTreeBehindBridges() throws Exception {
        PciBus bus = new PciBus();
        FakeBridge.addSwitch(bus);
        for (String address : List.of("0000:07:00.0", "0000:07:00.1", "0000:08:00.0", "0000:09:00.0")) {
            FakeBridge.add(bus, address, new FakeFunction(4096));
        }
        try (SysfsView view = SysfsView.open(bus, directory.resolve("pci"))) {
            assertThat(lspci(view.directory(), "-t"))
                    .isEqualTo("""
                            -[0000:00]---02.0-[05-09]----00.0-[06-09]--+-00.0-[07]--+-00.0
                                                                       |            \\-00.1
                                                                       +-01.0-[08]----00.0
                                                                       \\-02.0-[09]----00.0
                            """);
            assertThat(lspci(view.directory(), "-tv")).contains("-[0000:00]---02.0-[05-09]--");
        }
    }

    @Test
    void showsABridgesBusesWindowsAndPort() throws Exception {
        PciBus bus = new PciBus();
        FakeBridge.addSwitch(bus);
        AddressWindow memory = bus.device(PciAddress.parse("06:00.0"))
                .bridge()
                .orElseThrow()
                .windows()
                .mem32();
        try (SysfsView view = SysfsView.open(bus, directory.resolve("pci"))) {
            assertThat(lspci(view.directory(), "-Dvvs06:00.0"))
                    .contains("PCI bridge")
                    .contains("Bus: primary=06, secondary=07, subordinate=07")
                    .contains(String.format(
                            "Memory behind bridge: %x-%x [size=2M]", memory.start(), memory.limit() - 1))
                    .containsPattern("Prefetchable memory behind bridge: [0-9a-f]+-[0-9a-f]+ \\[size=")
                    .contains("Express (v2) Downstream Port");
            assertThat(lspci(view.directory(), "-Dvvs00:02.0")).contains("Express (v2) Root Port");
        }
    }

    private static String lspci(Path view, String options) throws IOException, InterruptedException {
        String lspci = PLACES.stream()
                .filter(Files::isExecutable)
                .findFirst()
                .orElseThrow()
                .toString();
        List<String> command = Stream.of(lspci, "-A", "linux-sysfs", "-O", "sysfs.path=" + view, options)
                .toList();
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(text).isZero();
        return text;
    }
}
