package org.vfio4j.bus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.bus.BusTesting.ITS_ID;
import static org.vfio4j.bus.FakeBridge.add;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The tree behind a view: who sits behind what, and what is a part of what, by the paths that /sys has. */
class SysfsTreeTest {

    private static final String BEHIND = "devices/pci0000:00/0000:00:02.0/0000:05:00.0/0000:06:00.0/0000:07:00.0";
    private static final String PART = "mlx5_core.vfio_pci.2048";

    @TempDir
    private Path temporary;

    private final PciBus bus = new PciBus();
    private final FakeParentDriver core = new FakeParentDriver();
    private final FakeAuxiliaryDriver vfio = new FakeAuxiliaryDriver("mlx5_vfio_pci.vfio", "mlx5_core.vfio_pci");
    private Path sys = Path.of("");
    private Optional<SysfsView> opened = Optional.empty();

    @BeforeEach
    void keep() {
        opened = Optional.of(SysfsView.open(bus, temporary.resolve("pci")));
        sys = temporary.resolve("pci/sys");
        core.nextId = 2048;
        FakeBridge.addSwitch(bus);
        bus.register(core);
    }

    @AfterEach
    void close() {
        opened.ifPresent(SysfsView::close);
        assertThat(temporary.resolve("pci")).doesNotExist();
    }

    @Test
    void anAuxiliaryDeviceIsFoundByTheMissionsPath() throws IOException {
        add(bus, "0000:07:00.0", new FakeFunction());
        Path link = sys.resolve("bus/auxiliary/devices").resolve(PART);
        assertThat(Files.readSymbolicLink(link)).hasToString("../../../" + BEHIND + "/" + PART);
        assertThat(link.resolve("uevent")).hasContent("MODALIAS=auxiliary:mlx5_core.vfio_pci\n");
        assertThat(Files.readSymbolicLink(link.resolve("subsystem")).getFileName())
                .hasToString("auxiliary");
    }

    @Test
    void aFunctionsDirectoryIsInThatOfTheBridgeBeforeIt() throws IOException {
        add(bus, "0000:07:00.0", new FakeFunction());
        Path link = sys.resolve("bus/pci/devices/0000:07:00.0");
        assertThat(Files.readSymbolicLink(link)).hasToString("../../../" + BEHIND);
        assertThat(link.resolve("class")).hasContent("0x018000\n");
        assertThat(temporary.resolve("pci").resolve("devices/0000:07:00.0/class")).hasContent("0x018000\n");
        assertThat(Files.readSymbolicLink(link.resolve("driver")))
                .hasToString("../../../../../../bus/pci/drivers/mlx5-core");
        assertThat(Files.readSymbolicLink(sys.resolve("bus/pci/drivers/mlx5-core/0000:07:00.0")))
                .hasToString("../../../../" + BEHIND);
        assertThat(sys.resolve("bus/pci/devices/0000:00:02.0/secondary_bus_number"))
                .hasContent("5\n");
        assertThat(sys.resolve("bus/pci/devices/0000:00:02.0/subordinate_bus_number"))
                .hasContent("9\n");
    }

    @Test
    void aBridgesResourcesEndWithItsWindows() throws IOException {
        List<String> lines = Files.readAllLines(sys.resolve("bus/pci/devices/0000:06:00.0/resource"));
        assertThat(lines).hasSize(17);
        AddressWindow memory = bus.device(PciAddress.parse("06:00.0"))
                .bridge()
                .orElseThrow()
                .windows()
                .mem32();
        assertThat(lines.get(14))
                .isEqualTo(String.format("0x%016x 0x%016x 0x%016x", memory.start(), memory.limit() - 1, 0x200));
        assertThat(lines.get(13)).isEqualTo("0x0000000000000000 0x0000000000000000 0x0000000000000000");
        assertThat(lines.get(15)).endsWith("102201");
    }

    @Test
    void linksTellWhichAuxiliaryDriverHasWhat() throws IOException {
        PciDevice parent = add(bus, "0000:07:00.0", new FakeFunction());
        Path device = sys.resolve(BEHIND).resolve(PART);
        Path ofDriver = sys.resolve("bus/auxiliary/drivers/mlx5_vfio_pci.vfio").resolve(PART);
        assertThat(device.resolve("driver")).doesNotExist();
        bus.auxiliary().register(vfio);
        assertThat(Files.readSymbolicLink(device.resolve("driver")))
                .hasToString("../../../../../../../bus/auxiliary/drivers/mlx5_vfio_pci.vfio");
        assertThat(Files.readSymbolicLink(ofDriver)).hasToString("../../../../" + BEHIND + "/" + PART);
        assertThat(device.resolve("uevent"))
                .hasContent("DRIVER=mlx5_vfio_pci.vfio\nMODALIAS=auxiliary:mlx5_core.vfio_pci\n");
        bus.auxiliary().unbind(bus.auxiliary().device(PART));
        assertThat(Files.exists(ofDriver, LinkOption.NOFOLLOW_LINKS)).isFalse();
        assertThat(Files.exists(device.resolve("driver"), LinkOption.NOFOLLOW_LINKS))
                .isFalse();
        bus.unbind(parent);
        assertThat(device).doesNotExist();
        assertThat(sys.resolve("bus/auxiliary/devices")).isEmptyDirectory();
    }

    @Test
    void aViewShowsWhatWasThereBeforeIt() throws IOException {
        bus.auxiliary().register(vfio);
        add(bus, "0000:07:00.0", new FakeFunction());
        try (SysfsView late = SysfsView.open(bus, temporary.resolve("late"))) {
            assertThat(tree(late.directory())).isEqualTo(tree(temporary.resolve("pci"))).hasSizeGreaterThan(50);
        }
    }

    @Test
    void everyLinkLeadsSomewhereWhereverTheTreeIs() throws IOException {
        bus.auxiliary().register(vfio);
        add(bus, "0000:07:00.0", new FakeFunction());
        add(bus, "0000:00:03.0", new FakeFunction());
        Path moved = temporary.resolve("moved");
        Files.move(temporary.resolve("pci"), moved);
        try (Stream<Path> all = Files.walk(moved)) {
            assertThat(all.filter(Files::isSymbolicLink)).hasSizeGreaterThan(20).allSatisfy(link -> {
                assertThat(Files.readSymbolicLink(link).isAbsolute()).isFalse();
                assertThat(link.toRealPath()).exists();
            });
        }
        Files.move(moved, temporary.resolve("pci"));
    }

    @Test
    void aFlatMachineLooksAsItAlwaysDid() throws IOException {
        bus.unregister(core);
        bus.register(new FakeDriver("some-driver", ITS_ID));
        add(bus, "0000:00:03.0", new FakeFunction());
        Path device = temporary.resolve("pci").resolve("devices/0000:00:03.0");
        assertThat(device).isDirectory();
        assertThat(device.resolve("driver").toRealPath())
                .isEqualTo(temporary.resolve("pci").resolve("drivers/some-driver").toRealPath());
        assertThat(device.toRealPath()).endsWith(Path.of("sys/devices/pci0000:00/0000:00:03.0"));
    }

    private static List<String> tree(Path top) throws IOException {
        try (Stream<Path> all = Files.walk(top)) {
            return all.map(path -> top.relativize(path).toString()).sorted().toList();
        }
    }
}
