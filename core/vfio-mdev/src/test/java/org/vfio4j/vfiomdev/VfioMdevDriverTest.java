package org.vfio4j.vfiomdev;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.EUSERS;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DriverReference;
import org.vfio4j.devicemodel.DeviceModel;
import org.vfio4j.devicemodel.EmulatedFunctionBuilder;
import org.vfio4j.mdevcore.MdevBus;
import org.vfio4j.mdevcore.MdevDevice;
import org.vfio4j.mdevcore.MdevInstance;
import org.vfio4j.mdevcore.MdevParent;
import org.vfio4j.mdevcore.MdevParentOps;
import org.vfio4j.mdevcore.MdevPool;
import org.vfio4j.mdevcore.MdevType;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioDevice;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioDeviceOps;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiopcicore.VfioPciCore;

/** An mdev as a VFIO device, from create to remove, for a parent of which the driver knows nothing. */
final class VfioMdevDriverTest {

    private static final UUID A = new UUID(0, 10);
    private static final UUID B = new UUID(0, 11);
    private static final MdevType TYPE = new MdevType("blank-1", "vfio-pci", "Blank function", Optional.empty());
    private static final Duration SOON = Duration.ofMillis(20);

    private final VfioRegistry registry = new VfioRegistry();
    private final MdevBus bus = new MdevBus();
    private final AtomicInteger references = new AtomicInteger();
    private final MdevParent parent =
            bus.register("blank", "/devices/virtual/blank", new Blank(this::instance), new VfioMdevDriver(registry));

    @Test
    void aDeviceIsVfiosUnderItsUuid() {
        MdevDevice device = bus.create(parent, TYPE, A);
        VfioDevice vfio = VfioMdevDriver.vfioDevice(device);
        assertThat(registry.devices()).containsExactly(vfio);
        assertThat(vfio.parentName()).isEqualTo(A.toString());
        assertThat(vfio.driverName()).isEqualTo("vfio-blank");
        try (VfioDeviceFile file = registry.open(A.toString())) {
            assertThat(file.info().numRegions()).isEqualTo(9);
        }
        bus.remove(A, SOON);
        assertThat(registry.devices()).isEmpty();
        fails(ENODEV, () -> registry.open(A.toString()));
    }

    @Test
    void aDeviceInUseStaysUntilItsUserGoes() {
        bus.create(parent, TYPE, A);
        VfioDeviceFile user = registry.open(A.toString());
        fails(EBUSY, () -> bus.remove(A, SOON));
        assertThat(bus.findDevice(A)).isPresent();
        user.close();
        // It was kept, and lets users in as before.
        registry.open(A.toString()).close();
        bus.remove(A, SOON);
        assertThat(registry.devices()).isEmpty();
    }

    @Test
    void removeWaitsForTheUser() throws Exception {
        bus.create(parent, TYPE, A);
        VfioDeviceFile user = registry.open(A.toString());
        Thread remover = Thread.ofPlatform().start(() -> bus.remove(A, Duration.ofSeconds(30)));
        while (remover.getState() != Thread.State.TIMED_WAITING) {
            Thread.onSpinWait();
        }
        fails(ENODEV, () -> registry.open(A.toString()));
        user.close();
        remover.join();
        assertThat(bus.devices()).isEmpty();
    }

    @Test
    void theParentsDriverIsHeldFromOpenToClose() {
        bus.create(parent, TYPE, A);
        assertThat(references).hasValue(0);
        VfioDeviceFile user = registry.open(A.toString());
        assertThat(references).hasValue(1);
        user.close();
        assertThat(references).hasValue(0);
    }

    @Test
    void aUserOfOneKeepsTheParentAndBothDevices() {
        bus.create(parent, TYPE, A);
        bus.create(parent, TYPE, B);
        try (VfioDeviceFile user = registry.open(B.toString())) {
            fails(EBUSY, () -> bus.unregister(parent, SOON));
            assertThat(bus.devices()).hasSize(2);
            registry.open(A.toString()).close();
        }
        bus.unregister(parent, SOON);
        assertThat(registry.devices()).isEmpty();
    }

    @Test
    void aDeviceWithoutOperationsIsNone() {
        MdevInstance plain = () -> {};
        MdevParent other =
                bus.register("plain", "/devices/virtual/plain", new Blank(() -> plain), new VfioMdevDriver(registry));
        fails(EINVAL, () -> bus.create(other, TYPE, A));
        assertThat(bus.devices()).isEmpty();
        assertThat(other.availableInstances(TYPE)).isEqualTo(2);
    }

    @Test
    void noneLeftIsEUSERS() {
        bus.create(parent, TYPE, A);
        bus.create(parent, TYPE, B);
        fails(EUSERS, () -> bus.create(parent, TYPE, new UUID(0, 12)));
    }

    private VfioMdevInstance instance() {
        VfioPciCore core = new VfioPciCore("vfio-blank", new EmulatedFunctionBuilder(0x1af4, 0x10ff).build(new Idle()));
        return new VfioMdevInstance() {
            @Override
            public VfioDeviceOps ops() {
                return core;
            }

            @Override
            public DriverReference referenceDriver() {
                references.incrementAndGet();
                return references::decrementAndGet;
            }

            @Override
            public void close() {
                core.release();
            }
        };
    }

    private static void fails(int errno, Executable work) {
        assertThat(assertThrows(ErrnoException.class, work).errno()).isEqualTo(errno);
    }

    private interface Maker {
        MdevInstance make();
    }

    /** A parent of two functions that do nothing. */
    private record Blank(Maker maker, MdevPool pool) implements MdevParentOps {

        Blank(Maker maker) {
            this(maker, new MdevPool("functions", 2));
        }

        @Override
        public String driverName() {
            return "blank";
        }

        @Override
        public List<MdevType> types() {
            return List.of(TYPE);
        }

        @Override
        public int availableInstances(MdevType type) {
            return pool.available(1);
        }

        @Override
        public MdevInstance create(MdevType type, UUID uuid) {
            pool.take(1);
            MdevInstance made = maker.make();
            if (made instanceof VfioMdevInstance instance) {
                return new Pooled(instance, pool);
            }
            return () -> pool.giveBack(1);
        }
    }

    private record Pooled(VfioMdevInstance instance, MdevPool pool) implements VfioMdevInstance {
        @Override
        public VfioDeviceOps ops() {
            return instance.ops();
        }

        @Override
        public DriverReference referenceDriver() {
            return instance.referenceDriver();
        }

        @Override
        public void close() {
            instance.close();
            pool.giveBack(1);
        }
    }

    private static final class Idle implements DeviceModel {
        @Override
        public void attachDma(DmaSpace space) {}

        @Override
        public void detachDma() {}

        @Override
        public void reset() {}

        @Override
        public void busMasterChanged(boolean enabled) {}
    }
}
