package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.testkit.VfioPciConformance;
import org.vfio4j.userspace.virtioblk.VirtioBlkDisk;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioRegionCapabilities;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiopci.VfioPciDriver;
import org.vfio4j.virtioblk.VirtioBlk;

/** docs/developers/vendor-driver.md: its driver is the text of {@link DoorbellDriver}, and does what the page says. */
class VendorDriverDocumentTest {

    private static final Pattern PROGRAM = Pattern.compile("```java\\n(.*?)```", Pattern.DOTALL);
    private static final int NEW_REGION = 9;

    private final PciBus bus = new PciBus();
    private final VfioRegistry registry = new VfioRegistry();
    private final BlockBackend storage = new MemoryBackend(1 << 20);
    private final VirtioBlk disk = VirtioBlk.builder(storage).build();
    private final DoorbellDriver driver = new DoorbellDriver();
    private PciDevice device;

    @BeforeEach
    void bind() {
        bus.provide(VfioRegistry.class, registry);
        bus.register(new VfioPciDriver());
        bus.register(driver);
        device = bus.add(new PciAddress(0, 8, 0, 0), disk.function());
        String best = bus.vfioDrivers(device.modalias()).getFirst().driver();
        bus.setDriverOverride(device, Optional.of(best));
        bus.bind(device, best);
    }

    @AfterEach
    void close() {
        bus.remove(device);
        disk.close();
        storage.close();
    }

    @Test
    void thePageShowsTheDriverThatIsTestedHere() {
        Path root = SourceTree.root();
        Matcher program = PROGRAM.matcher(SourceTree.read(root.resolve("docs/developers/vendor-driver.md")));
        assertThat(program.find()).as("a block of Java on the page").isTrue();
        Path source = root.resolve("quality/it/src/test/java/org/vfio4j/it/DoorbellDriver.java");
        String text = SourceTree.read(source);
        assertThat(program.group(1)).isEqualTo(text.substring(text.indexOf("/** Gives virtio disks")));
        assertThat(program.group(1).lines().filter(line -> !line.isBlank())).hasSizeLessThanOrEqualTo(60);
    }

    @Test
    void itIsTheBestDriverForTheDisk() {
        assertThat(device.driver()).contains(driver);
    }

    @Test
    void theRegionTellsHowOftenTheDoorbellWasRung() {
        try (VfioDeviceFile file = LocalDisk.open(registry.device("vfio0"))) {
            assertThat(VfioRegionCapabilities.type(file.regionInfo(NEW_REGION).capabilities()))
                    .contains(new VfioRegionCapabilities.Type(1 << 31 | DoorbellDriver.VENDOR, DoorbellDriver.SUBTYPE));
            assertThat(rung(file)).isZero();
            try (VirtioBlkDriver user = VirtioBlkDriver.open(file, VirtioBlkOptions.DEFAULTS)) {
                new VirtioBlkDisk(user, 0).write(0, MemorySegment.ofArray(new byte[4096]));
            }
            assertThat(rung(file)).isPositive();
            assertThatThrownBy(() -> file.write(NEW_REGION, 0, MemorySegment.ofArray(new byte[8]), 0, 8))
                    .isInstanceOf(ErrnoException.class);
        }
    }

    @Test
    void itKeepsTheContract() {
        assertThat(VfioPciConformance.check(() -> LocalDisk.open(registry.device("vfio0")))
                        .broken())
                .isEmpty();
    }

    private static long rung(VfioDeviceFile file) {
        MemorySegment number = MemorySegment.ofArray(new byte[8]);
        file.read(NEW_REGION, 0, number, 0, 8);
        return number.get(ValueLayout.JAVA_LONG_UNALIGNED, 0);
    }
}
