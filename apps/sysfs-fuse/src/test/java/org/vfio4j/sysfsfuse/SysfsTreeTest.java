package org.vfio4j.sysfsfuse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.ERANGE;
import static org.vfio4j.sys.Errno.EUSERS;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDeviceId;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.fuse.FuseNode;
import org.vfio4j.mdevcore.MdevBus;
import org.vfio4j.sys.ErrnoException;

/** The tree without a file system around it: what is in it, and what writes do. */
class SysfsTreeTest {

    private static final String FIRST = "0000:00:01.0";
    private static final String DEVICE = "bus/pci/devices/" + FIRST;
    private static final String DRIVER = "bus/pci/drivers/some-driver";
    private static final String TYPE = "class/mdev_bus/card/mdev_supported_types/port-1";
    private static final String A = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001";

    private final PciBus bus = new PciBus();
    private final MdevBus mdevs = new MdevBus();
    private final PlainFunction function = new PlainFunction(0x1af4, 0x1042);
    private final Walk tree = new Walk(new SysfsTree(bus, mdevs, SysfsActions.on(bus, mdevs)).root());

    private record NamedDriver(String name, List<PciDeviceId> idTable) implements PciDriver {
        @Override
        public void probe(PciDevice device) {}

        @Override
        public void remove(PciDevice device) {}
    }

    @BeforeEach
    void plugIn() {
        bus.register(new NamedDriver("some-driver", List.of(PciDeviceId.of(0x1af4, 0x1042))));
        bus.register(new NamedDriver("other-driver", List.of()));
        bus.add(PciAddress.parse(FIRST), function);
        PortParent ports = new PortParent();
        mdevs.register("card", "/devices/virtual/card/card", ports, ports);
    }

    @Test
    void everyLinkLeadsToSomething() {
        mdevs.create(mdevs.parent("card"), mdevs.parent("card").types().getFirst(), UUID.fromString(A));
        List<String> all = tree.all();
        assertThat(all)
                .contains(
                        "/devices/pci0000:00/" + FIRST + "/driver",
                        "/" + DRIVER + "/" + FIRST,
                        "/bus/mdev/devices/" + A,
                        "/class/mdev_bus/card",
                        "/devices/virtual/card/card/" + A + "/mdev_type",
                        "/devices/virtual/card/card/mdev_supported_types/port-1/devices/" + A)
                .allSatisfy(path -> assertThat(tree.find(path)).as(path).isPresent());
        assertThat(tree.list(DEVICE))
                .contains("vendor", "config", "driver", "subsystem")
                .doesNotHaveDuplicates();
    }

    @Test
    void attributesAreAskedForWhenTheyAreRead() {
        assertThat(tree.read(DEVICE + "/vendor")).isEqualTo("0x1af4\n");
        assertThat(tree.read(DEVICE + "/class")).isEqualTo("0x018000\n");
        assertThat(tree.read(DEVICE + "/driver_override")).isEqualTo("(null)\n");
        assertThat(tree.read(DEVICE + "/uevent")).startsWith("DRIVER=some-driver\nPCI_CLASS=18000\nPCI_ID=1AF4:1042\n");
        FuseNode.Handle open = ((FuseNode.File) tree.find(DEVICE + "/uevent").orElseThrow()).open();
        bus.unbind(bus.device(PciAddress.parse(FIRST)));
        assertThat(new String(open.read(0, 100), StandardCharsets.UTF_8)).startsWith("PCI_CLASS=18000\n");
        assertThat(tree.find(DEVICE + "/driver")).isEmpty();
        assertFails(EIO, () -> tree.write(DEVICE + "/vendor", "1"));
        assertFails(EIO, () -> tree.read("bus/pci/drivers_probe"));
    }

    @Test
    void driversAreBoundAsTheKernelDoes() {
        assertFails(EBUSY, () -> tree.write(DRIVER + "/bind", FIRST + "\n"));
        tree.write(DRIVER + "/unbind", FIRST + "\n");
        assertFails(ENODEV, () -> tree.write(DRIVER + "/unbind", FIRST));
        assertFails(ENODEV, () -> tree.write("bus/pci/drivers/other-driver/bind", FIRST));
        assertFails(ENODEV, () -> tree.write(DRIVER + "/bind", "0000:00:1f.0"));
        assertFails(ENODEV, () -> tree.write(DRIVER + "/bind", "what is this"));
        tree.write("bus/pci/drivers/other-driver/new_id", "1af4 1042\n");
        assertThat(tree.list("bus/pci/drivers/other-driver")).contains(FIRST);
        assertFails(EEXIST, () -> tree.write("bus/pci/drivers/other-driver/new_id", "1af4 1042"));
        assertFails(EINVAL, () -> tree.write("bus/pci/drivers/other-driver/new_id", "1af4"));
        tree.write("bus/pci/drivers/other-driver/remove_id", "1af4 1042");
        assertFails(ENODEV, () -> tree.write("bus/pci/drivers/other-driver/remove_id", "1af4 1042"));
    }

    @Test
    void anOverrideNamesTheOnlyDriver() {
        tree.write(DRIVER + "/unbind", FIRST);
        tree.write(DEVICE + "/driver_override", "other-driver\n");
        assertThat(tree.read(DEVICE + "/driver_override")).isEqualTo("other-driver\n");
        assertFails(ENODEV, () -> tree.write(DRIVER + "/bind", FIRST));
        tree.write("bus/pci/drivers_probe", FIRST + "\n");
        assertThat(tree.list("bus/pci/drivers/other-driver")).contains(FIRST);
        tree.write(DEVICE + "/driver_override", "\n");
        assertThat(tree.read(DEVICE + "/driver_override")).isEqualTo("(null)\n");
        assertFails(ENODEV, () -> tree.write("bus/pci/drivers_probe", "0000:00:1f.0"));
    }

    @Test
    void configIsWrittenInTheWidthsThatFitUnlessADriverHasIt() {
        FuseNode.Handle config = ((FuseNode.File) tree.find(DEVICE + "/config").orElseThrow()).open();
        assertThat(config.read(1, 2)).containsExactly(0x1a, 0x42);
        assertThat(config.read(0, 10_000)).hasSize(256);
        assertThat(config.read(256, 4)).isEmpty();
        assertThat(config.read(Long.MAX_VALUE, 4)).isEmpty();
        assertFails(EBUSY, () -> config.write(4, new byte[] {2, 0}));
        assertThat(function.writes).isEmpty();
        tree.write(DRIVER + "/unbind", FIRST);
        assertThat(config.write(0x3d, new byte[] {1, 2, 3, 4, 5})).isEqualTo(5);
        assertThat(function.writes).containsExactly("3d/1=1", "3e/2=302", "40/2=504");
        assertThat(config.write(254, new byte[] {1, 2, 3})).isEqualTo(2);
        assertThat(config.write(300, new byte[] {1})).isZero();
    }

    @Test
    void aResetWantsAOneAndNoDriver() {
        assertFails(EBUSY, () -> tree.write(DEVICE + "/reset", "1\n"));
        tree.write(DRIVER + "/unbind", FIRST);
        assertFails(EINVAL, () -> tree.write(DEVICE + "/reset", "2"));
        tree.write(DEVICE + "/reset", "1\n");
        assertThat(function.resets).isOne();
    }

    @Test
    void mdevsAreMadeAndRemoved() {
        assertThat(tree.read(TYPE + "/available_instances")).isEqualTo("2\n");
        assertThat(tree.read(TYPE + "/name")).isEqualTo("One port\n");
        assertThat(tree.read(TYPE + "/description")).isEqualTo("a port for tests\n");
        assertFails(EINVAL, () -> tree.write(TYPE + "/create", "no uuid"));
        tree.write(TYPE + "/create", A + "\n");
        assertFails(EEXIST, () -> tree.write(TYPE + "/create", A));
        tree.write(TYPE + "/create", UUID.randomUUID().toString());
        assertFails(EUSERS, () -> tree.write(TYPE + "/create", UUID.randomUUID().toString()));
        String device = "bus/mdev/devices/" + A;
        tree.write(device + "/port0/peer", "loopback\n");
        assertThat(tree.read(device + "/port0/peer")).isEqualTo("loopback\n");
        assertFails(EINVAL, () -> tree.write(device + "/port0/peer", ""));
        tree.write(device + "/remove", "0");
        assertFails(EINVAL, () -> tree.write(device + "/remove", "yes"));
        tree.write(device + "/remove", "1");
        assertThat(tree.find(device)).isEmpty();
    }

    @Test
    void aParentThatLeavesTakesItsDirectoriesWithIt() {
        mdevs.unregister(mdevs.parent("card"), Duration.ZERO);
        assertThat(tree.list("class/mdev_bus")).isEmpty();
        assertThat(tree.find("devices/virtual")).isEmpty();
    }

    @Test
    @Timeout(60)
    void aThousandFunctionsAreListedAndRead() {
        for (int i = 0; i < 1000; i++) {
            bus.add(new PciAddress(0, 1 + i / 256, i / 8 % 32, i % 8), new PlainFunction(0x8086, i));
        }
        List<String> names = tree.list("bus/pci/devices");
        assertThat(names).hasSize(1001);
        for (String name : names) {
            assertThat(tree.read("bus/pci/devices/" + name + "/vendor")).startsWith("0x");
        }
    }

    @ParameterizedTest
    @CsvSource({
        "1,1",
        "0x1F,31",
        "010,8",
        "+7,7",
        "0,0",
        "4294967295,-34",
        "99999999999999999999,-34",
        "08,-22",
        "-1,-22",
        "x,-22",
        "'',-22",
        "1 2,-22"
    })
    void numbersAreReadAsTheKernelReadsThem(String text, int expected) {
        if (expected < 0) {
            assertFails(expected == -ERANGE ? ERANGE : EINVAL, () -> Numbers.parse(text, 1 << 30));
        } else {
            assertThat(Numbers.parse(text, 1 << 30)).isEqualTo(expected);
        }
    }

    private static void assertFails(int errno, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }
}
