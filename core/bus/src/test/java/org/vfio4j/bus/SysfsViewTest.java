package org.vfio4j.bus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.bus.BusTesting.FIRST;
import static org.vfio4j.bus.BusTesting.ITS_ID;
import static org.vfio4j.bus.BusTesting.SECOND;
import static org.vfio4j.bus.BusTesting.assertErrno;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_SRIOV_NUM_VF;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The directory that looks as /sys/bus/pci does (Linux, Documentation/ABI/testing/sysfs-bus-pci). */
class SysfsViewTest {

    private static final PciBar BAR1 = new PciBar(1, 4096, PciBar.Kind.MEM32, false);
    private static final PciBar BAR4 = new PciBar(4, 1 << 14, PciBar.Kind.MEM64, true);

    @TempDir
    private Path temporary;

    private Path directory = Path.of("");
    private final PciBus bus = new PciBus();
    private final FakeDriver driver = new FakeDriver("some-driver", ITS_ID);
    private Optional<SysfsView> view = Optional.empty();

    @BeforeEach
    void keep() {
        directory = temporary.resolve("pci");
        view = Optional.of(SysfsView.open(bus, directory));
    }

    @AfterEach
    void close() {
        view.ifPresent(SysfsView::close);
    }

    @Test
    void refusesADirectoryOfSomebodyElsesAndLeavesItAlone() throws IOException {
        Path precious =
                Files.createDirectories(temporary.resolve("home/devices")).resolve("precious");
        Files.writeString(precious, "mine");
        assertErrno(EEXIST, () -> SysfsView.open(bus, temporary.resolve("home")));
        assertThat(precious).hasContent("mine");
        assertThat(temporary.resolve("home")).isDirectoryNotContaining("glob:**view*");
    }

    @Test
    void refusesADirectoryThatAnotherViewKeeps() {
        assertErrno(EBUSY, () -> SysfsView.open(new PciBus(), directory));
        assertThat(directory.resolve("devices")).isDirectory();
    }

    @Test
    void refusesAPathThatIsNoDirectory() throws IOException {
        Path file = Files.writeString(temporary.resolve("file"), "mine");
        assertErrno(EEXIST, () -> SysfsView.open(bus, file));
        assertThat(file).hasContent("mine");
    }

    @Test
    void replacesWhatADeadProcessLeft() throws IOException {
        Path left = temporary.resolve("left");
        Files.createDirectories(left.resolve("devices/0000:00:1f.0"));
        Files.createFile(left.resolve(".vfio4j-view"));
        bus.add(FIRST, new FakeFunction());
        try (SysfsView again = SysfsView.open(bus, left)) {
            assertThat(again.directory().resolve("devices")).isDirectoryContaining("glob:**:00:01.0");
            assertThat(again.directory().resolve("devices/0000:00:1f.0")).doesNotExist();
        }
        assertThat(left).doesNotExist();
    }

    @Test
    void showsTheFunctionsThatWereThereFirst() {
        bus.add(FIRST, new FakeFunction());
        try (SysfsView second = SysfsView.open(bus, temporary.resolve("second"))) {
            assertThat(second.directory().resolve("devices/0000:00:01.0/vendor"))
                    .hasContent("0x1af4\n");
        }
    }

    @Test
    void attributesReadAsTheKernels() {
        bus.add(FIRST, new FakeFunction());
        assertAttribute("vendor", "0x1af4");
        assertAttribute("device", "0x1042");
        assertAttribute("subsystem_vendor", "0x1af4");
        assertAttribute("subsystem_device", "0x1100");
        assertAttribute("class", "0x018000");
        assertAttribute("revision", "0x01");
        assertAttribute("irq", "0");
        assertAttribute("numa_node", "-1");
        assertAttribute("enable", "0");
        assertAttribute("driver_override", "(null)");
        assertAttribute("modalias", "pci:v00001AF4d00001042sv00001AF4sd00001100bc01sc80i00");
    }

    @Test
    void resourceHasALineForEachOfThirteen() throws IOException {
        PciDevice device = bus.add(FIRST, new FakeFunction(BAR1, BAR4));
        PciDevice.Resource first = device.resources().get(0);
        PciDevice.Resource second = device.resources().get(1);
        var lines = Files.readAllLines(attribute("resource"));
        assertThat(lines).hasSize(13);
        assertThat(lines.get(1))
                .isEqualTo(String.format("0x%016x 0x%016x 0x%016x", first.start(), first.start() + 4095, 0x40200));
        assertThat(lines.get(4))
                .isEqualTo(String.format("0x%016x 0x%016x 0x%016x", second.start(), second.start() + 16383, 0x14220c));
        lines.remove(4);
        lines.remove(1);
        assertThat(lines).containsOnly("0x0000000000000000 0x0000000000000000 0x0000000000000000");
    }

    @Test
    void configHoldsTheSpaceAsItIsNow() throws IOException {
        PciDevice device = bus.add(FIRST, new FakeFunction(4096, BAR4));
        device.function().configWrite(PCI_COMMAND, 2, 0x406);
        device.function().configWrite(0xffc, 4, 0x12345678);
        // By a thread of the view's own, soon.
        byte[] config = Files.readAllBytes(attribute("config"));
        long end = System.nanoTime() + 10_000_000_000L;
        while (config[0xfff] != 0x12 && System.nanoTime() < end) {
            Thread.onSpinWait();
            config = Files.readAllBytes(attribute("config"));
        }
        assertThat(config)
                .hasSize(4096)
                .startsWith(0xf4, 0x1a, 0x42, 0x10, 0x06, 0x04)
                .endsWith(0x78, 0x56, 0x34, 0x12);
        bus.add(SECOND, new FakeFunction());
        assertThat(directory.resolve("devices/0000:00:02.0/config")).hasSize(256);
    }

    @Test
    void whoWritesARegisterDoesNotWaitForTheDirectory() throws Exception {
        PciDevice device = bus.add(FIRST, new FakeFunction(4096, BAR4));
        SysfsView kept = view.orElseThrow();
        synchronized (kept) {
            // Somebody is writing a file.
            Thread writer = Thread.ofPlatform().start(() -> device.function().configWrite(PCI_COMMAND, 2, 2));
            assertThat(writer.join(Duration.ofSeconds(10))).isTrue();
        }
    }

    @Test
    void linksTellWhoHasWhom() throws IOException {
        PciDevice device = bus.add(FIRST, new FakeFunction());
        assertThat(attribute("driver")).doesNotExist();
        bus.register(driver);
        assertThat(attribute("driver").toRealPath())
                .isEqualTo(directory.resolve("drivers/some-driver").toRealPath());
        assertThat(directory.resolve("drivers/some-driver/0000:00:01.0").toRealPath())
                .isEqualTo(directory.resolve("devices/0000:00:01.0").toRealPath());
        bus.setDriverOverride(device, Optional.of("vfio-pci"));
        assertAttribute("driver_override", "vfio-pci");
        bus.unbind(device);
        assertThat(Files.exists(attribute("driver"), LinkOption.NOFOLLOW_LINKS)).isFalse();
        assertThat(directory.resolve("drivers/some-driver")).isEmptyDirectory();
    }

    @Test
    void physicalAndVirtualFunctionsPointAtEachOther() throws IOException {
        bus.register(new FakePhysicalDriver());
        PciDevice physical = bus.add(FIRST, new FakePhysicalFunction());
        assertAttribute("sriov_totalvfs", "4");
        assertAttribute("sriov_numvfs", "0");
        assertAttribute("sriov_offset", "16");
        assertAttribute("sriov_stride", "2");
        assertAttribute("sriov_vf_device", "154c");
        bus.setNumVfs(physical, 2);
        assertAttribute("sriov_numvfs", "2");
        assertThat(Files.readAllBytes(attribute("config"))[FakePhysicalFunction.SRIOV + PCI_SRIOV_NUM_VF])
                .isEqualTo((byte) 2);
        Path second = directory.resolve("devices/0000:00:03.2");
        assertThat(second.resolve("vendor")).hasContent("0x1af4\n");
        assertThat(second.resolve("device")).hasContent("0x154c\n");
        assertThat(Files.readAllBytes(second.resolve("config"))).startsWith(0xff, 0xff, 0xff, 0xff);
        assertThat(Files.readSymbolicLink(second.resolve("physfn"))).hasToString("../0000:00:01.0");
        assertThat(Files.readSymbolicLink(attribute("virtfn1"))).hasToString("../0000:00:03.2");
        try (SysfsView late = SysfsView.open(bus, temporary.resolve("late"))) {
            assertThat(late.directory().resolve("devices/0000:00:01.0/virtfn0/device"))
                    .hasContent("0x154c\n");
        }
        bus.setNumVfs(physical, 0);
        assertAttribute("sriov_numvfs", "0");
        assertThat(Files.exists(attribute("virtfn1"), LinkOption.NOFOLLOW_LINKS))
                .isFalse();
        assertThat(second).doesNotExist();
    }

    @Test
    void nothingOfAFunctionStaysBehindIt() {
        bus.register(driver);
        PciDevice device = bus.add(FIRST, new FakeFunction(BAR1));
        bus.remove(device);
        assertThat(directory.resolve("devices")).isEmptyDirectory();
        assertThat(directory.resolve("drivers/some-driver")).isEmptyDirectory();
        device.function().configWrite(PCI_COMMAND, 2, 2); // and nobody minds
    }

    @Test
    void closingDeletesWhatItMadeAndNothingElse() throws IOException {
        bus.add(FIRST, new FakeFunction());
        Path guest = Files.writeString(directory.resolve("somebody-elses"), "mine");
        view.orElseThrow().close();
        view = Optional.empty();
        assertThat(directory).isDirectoryNotContaining(path -> !path.equals(guest));
        assertThat(guest).hasContent("mine");
        bus.add(SECOND, new FakeFunction()); // and it is no longer kept
        assertThat(directory.resolve("devices")).doesNotExist();
    }

    @Test
    void aReaderNeverFindsHalfAFile() throws Exception {
        PciDevice device = bus.add(FIRST, new FakeFunction());
        Path file = attribute("driver_override");
        Thread writer = Thread.ofPlatform().start(() -> {
            for (int i = 0; i < 300; i++) {
                bus.setDriverOverride(device, i % 2 == 0 ? Optional.of("vfio-pci") : Optional.empty());
            }
        });
        while (writer.isAlive()) {
            assertThat(Files.readString(file)).isIn("vfio-pci\n", "(null)\n");
        }
        writer.join();
    }

    private void assertAttribute(String name, String value) {
        assertThat(attribute(name)).hasContent(value + "\n");
    }

    private Path attribute(String name) {
        return directory.resolve("devices/0000:00:01.0").resolve(name);
    }
}
