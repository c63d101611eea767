package org.vfio4j.mlx5mdev;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EUSERS;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.bluefield.Bluefield;
import org.vfio4j.bluefield.SfOptions;
import org.vfio4j.bluefield.SfStorage;
import org.vfio4j.bus.AuxiliaryDevice;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.mdevcore.MdevDevice;
import org.vfio4j.mdevcore.MdevParent;
import org.vfio4j.mdevcore.MdevType;
import org.vfio4j.mlx5.SfCaps;
import org.vfio4j.mlx5core.Mlx5CoreDriver;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.vfio.LocalDeviceFile;

/** How a DPU's function becomes a parent, what it has for its devices, and how it ceases to be one. */
@Timeout(60)
class Mlx5MdevDriverTest {

    private static final UUID A = new UUID(0, 10);
    private static final UUID B = new UUID(0, 11);
    private static final UUID C = new UUID(0, 12);
    private static final long MIB = 1 << 20;

    @TempDir
    private Path directory;

    private final Leaks before = Leaks.snapshot();
    private final SfMachine machine = new SfMachine(new SfCaps(8, 20, 3L << 30));

    @AfterEach
    void close() {
        machine.close();
        assertThat(machine.mdevs.parents()).isEmpty();
        assertThat(machine.mdevs.devices()).isEmpty();
        assertThat(machine.registry.devices()).isEmpty();
        before.assertNone();
    }

    @Test
    void eachNetworkFunctionIsAParentByWayOfAPart() {
        assertThat(machine.mdevs.parents())
                .extracting(MdevParent::name)
                .containsExactly("0000:07:00.0", "0000:07:00.1");
        AuxiliaryDevice part = machine.bus.auxiliary().device("mlx5_core.mdev.1792");
        assertThat(part.parent()).contains(machine.networkFunction());
        assertThat(part.driver()).get().hasFieldOrPropertyWithValue("class", Mlx5MdevDriver.class);
        assertThat(machine.parent().path()).isEqualTo("/devices/pci0000:07/0000:07:00.0");
        assertThat(machine.parent().driverName()).isEqualTo("mlx5_core");
        assertThat(machine.parent().types())
                .extracting(MdevType::name)
                .containsExactly(
                        "mlx5_core-virtio_blk_small",
                        "mlx5_core-virtio_blk_medium",
                        "mlx5_core-virtio_blk_large",
                        "mlx5_core-nvme_small",
                        "mlx5_core-nvme_medium",
                        "mlx5_core-nvme_large");
        assertThat(machine.parent().type("mlx5_core-nvme_medium").description()).contains("4 queue pairs, 1024 MiB");
    }

    @Test
    void aDeviceSaysWhatItIs() {
        MdevDevice device = machine.create("virtio_blk_medium", A);
        assertThat(device.attribute("queues").show()).isEqualTo("4");
        assertThat(device.attribute("size").show()).isEqualTo("1073741824");
        assertThat(device.attribute("storage").show()).isEqualTo("memory");
        assertThat(device.attribute("vhca_id").show()).isEqualTo("2");
        assertThat(device.path()).isEqualTo("/devices/pci0000:07/0000:07:00.0/" + A);
    }

    /** 8 functions, 20 queues and 3 GiB. */
    @Test
    void typesDrawOnTheSameResources() {
        assertThat(machine.available("virtio_blk_small")).isEqualTo(8);
        assertThat(machine.available("nvme_medium")).isEqualTo(3);
        assertThat(machine.available("virtio_blk_large")).isZero();
        machine.create("nvme_medium", A);
        machine.create("virtio_blk_medium", B);
        assertThat(machine.available("virtio_blk_small")).isEqualTo(6);
        assertThat(machine.available("nvme_medium")).isEqualTo(1);
        machine.mdevs.remove(A);
        assertThat(machine.available("nvme_medium")).isEqualTo(2);
        // The other network function has its own.
        MdevParent other = machine.mdevs.parent("0000:07:00.1");
        assertThat(other.availableInstances(other.type("mlx5_core-virtio_blk_small")))
                .isEqualTo(8);
    }

    @Test
    void aRefusalNamesWhatThereIsTooLittleOf() {
        machine.create("nvme_medium", A);
        machine.create("nvme_medium", B);
        assertRefused(EUSERS, "16 queues needed", "of 20 12 are left", () -> machine.create("nvme_large", C));
        machine.create("nvme_medium", UUID.randomUUID());
        assertRefused(EUSERS, 64 * MIB + " bytes needed", "0 are left", () -> machine.create("virtio_blk_small", C));
        assertRefused(
                EEXIST,
                A.toString(),
                "nvme_medium",
                () -> machine.mdevs.create(
                        machine.mdevs.parent("0000:07:00.1"),
                        machine.parent().types().get(0),
                        A));
        machine.mdevs.remove(A);
        machine.mdevs.remove(B);
        for (int i = 0; i < 7; i++) {
            machine.create("virtio_blk_small", UUID.randomUUID());
        }
        assertRefused(EUSERS, "1 functions needed", "of 8 0 are left", () -> machine.create("nvme_small", A));
    }

    @Test
    void whatCannotBeMadeTakesNothing() throws IOException {
        Path file = Files.write(directory.resolve(A + ".img"), new byte[512]);
        try (SfMachine files = new SfMachine(new SfCaps(2, 2, 128 * MIB), SfStorage.in(directory))) {
            assertRefused(EINVAL, file.toString(), "67108864", () -> files.create("virtio_blk_small", A));
            assertThat(files.available("virtio_blk_small")).isEqualTo(2);
            MdevDevice device = files.create("nvme_small", B);
            assertThat(device.attribute("storage").show()).startsWith("file " + directory.resolve(B + ".img"));
            assertThat(directory.resolve(B + ".img")).hasSize(64 * MIB);
        }
        // A file stays when its function goes.
        assertThat(directory.resolve(B + ".img")).exists();
    }

    @Test
    void thousandsThatComeAndGoLeaveNothing() {
        List<String> ids = new ArrayList<>();
        for (int i = 0; i < 3000; i++) {
            MdevDevice device = machine.create(i % 2 == 0 ? "virtio_blk_small" : "nvme_small", A);
            ids.add(device.attribute("vhca_id").show());
            machine.mdevs.remove(A);
        }
        assertThat(ids).doesNotHaveDuplicates();
        assertThat(machine.available("virtio_blk_small")).isEqualTo(8);
    }

    @Test
    void aParentTakesItsDevicesWithIt() {
        machine.create("virtio_blk_small", A);
        machine.create("nvme_small", B);
        machine.bus.unbind(machine.networkFunction());
        assertThat(machine.mdevs.devices()).isEmpty();
        assertThat(machine.registry.devices()).isEmpty();
        assertThat(machine.mdevs.parents()).extracting(MdevParent::name).containsExactly("0000:07:00.1");
        machine.bus.probe(machine.networkFunction());
        assertThat(machine.available("virtio_blk_small")).isEqualTo(8);
    }

    @Test
    void aParentStaysWithAllItsDevicesWhileOneIsUsed() {
        machine.create("virtio_blk_small", A);
        MdevDevice used = machine.create("nvme_small", B);
        try (LocalDeviceFile file = machine.open(used)) {
            assertRefused(EBUSY, "", "", () -> machine.bus.unbind(machine.networkFunction(), Duration.ofMillis(1)));
            assertThat(machine.mdevs.devices()).extracting(MdevDevice::uuid).containsExactly(A, B);
            file.reset();
            machine.open(machine.mdevs.findDevice(A).orElseThrow()).close();
            // Nor is the module unloaded.
            assertRefused(
                    EBUSY,
                    "in use",
                    "",
                    () -> machine.bus
                            .auxiliary()
                            .unregister(machine.bus.auxiliary().drivers().getFirst()));
        }
        machine.bus.unbind(machine.networkFunction(), Duration.ofMillis(1));
        assertThat(machine.mdevs.devices()).isEmpty();
    }

    @Test
    void aPartWaitsOnAMachineWithoutMdevs() {
        PciBus bare = new PciBus();
        bare.auxiliary().register(new Mlx5MdevDriver());
        bare.register(new Mlx5CoreDriver());
        SfOptions options = new SfOptions(new SfCaps(1, 1, 1), SfStorage.NULL);
        try (Bluefield dpu = new Bluefield(bare, PciAddress.parse("07:00.0"), options)) {
            assertThat(dpu.networkFunctions().getFirst().driver()).isPresent();
            assertThat(bare.auxiliary().device("mlx5_core.mdev.1792").driver()).isEmpty();
        }
    }

    private static void assertRefused(int errno, String words, String more, Runnable call) {
        assertThatThrownBy(call::run)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno))
                .hasMessageContaining(words)
                .hasMessageContaining(more);
    }
}
