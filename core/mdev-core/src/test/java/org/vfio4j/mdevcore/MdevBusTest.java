package org.vfio4j.mdevcore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.vfio4j.mdevcore.TestParent.LARGE;
import static org.vfio4j.mdevcore.TestParent.SMALL;
import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.sys.Errno.EUSERS;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.vfio4j.sys.ErrnoException;

/** The rules of drivers/vfio/mdev/mdev_core.c and mdev_sysfs.c, with their errors. */
final class MdevBusTest {

    private static final UUID A = UUID.fromString("00000000-0000-0000-0000-00000000000a");
    private static final UUID B = UUID.fromString("00000000-0000-0000-0000-00000000000b");
    private static final UUID C = UUID.fromString("00000000-0000-0000-0000-00000000000c");

    private final MdevBus bus = new MdevBus();
    private final TestParent ops = new TestParent(8);
    private final TestDriver driver = new TestDriver();
    private final MdevParent parent = bus.register("test", "/devices/virtual/test/test", ops, driver);

    @Test
    void aDeviceHasUuidTypeParentAndPath() {
        MdevDevice device = bus.create(parent, SMALL, A);
        assertThat(device.uuid()).isEqualTo(A);
        assertThat(device.type()).isEqualTo(SMALL);
        assertThat(device.parent()).isEqualTo(parent);
        assertThat(device.path()).isEqualTo("/devices/virtual/test/test/" + A);
        assertThat(bus.devices()).containsExactly(device);
        assertThat(driver.has).containsExactly(A);
    }

    @Test
    void typesShareWhatTheParentHas() {
        assertThat(parent.availableInstances(LARGE)).isEqualTo(2);
        bus.create(parent, SMALL, A);
        assertThat(parent.availableInstances(SMALL)).isEqualTo(7);
        assertThat(parent.availableInstances(LARGE)).isEqualTo(1);
        bus.create(parent, LARGE, B);
        fails(EUSERS, () -> bus.create(parent, LARGE, C));
        bus.remove(A);
        bus.create(parent, LARGE, C);
        assertThat(parent.availableInstances(SMALL)).isZero();
    }

    @Test
    void aUuidIsInUseUnderWhateverParent() {
        MdevParent other = bus.register("other", "/devices/virtual/test/other", new TestParent(8), driver);
        bus.create(parent, SMALL, A);
        fails(EEXIST, () -> bus.create(other, SMALL, A));
        fails(EEXIST, () -> bus.create(parent, SMALL, A));
        bus.remove(A);
        bus.create(other, SMALL, A);
    }

    @Test
    void refusesAUuidOfAnotherLengthOrForm() {
        String good = "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001";
        List<String> bad = List.of(
                "",
                good.substring(1),
                good + "0",
                good + "\n\n",
                good.replace('8', 'g'),
                good.replace("-", "0"),
                "83b8f4f2-509f-382f-3c1e-e6bfe0fa100-");
        for (String text : bad) {
            fails(EINVAL, () -> bus.create(parent, SMALL, text));
        }
        assertThat(bus.create(parent, SMALL, good + "\n").uuid()).hasToString(good);
        fails(EEXIST, () -> bus.create(parent, SMALL, good.toUpperCase(java.util.Locale.ROOT)));
    }

    @Test
    void whatCannotBeMadeLeavesNothing() {
        ops.failWith = EIO;
        fails(EIO, () -> bus.create(parent, SMALL, A));
        ops.failWith = 0;
        driver.refuse.add(A);
        fails(EINVAL, () -> bus.create(parent, SMALL, A));
        assertThat(bus.devices()).isEmpty();
        assertThat(ops.live).isEmpty();
        assertThat(parent.availableInstances(SMALL)).isEqualTo(8);
        driver.refuse.clear();
        bus.create(parent, SMALL, A);
    }

    @Test
    void aTypeOfAnotherParentIsNone() {
        MdevType foreign = new MdevType("test-foreign", "vfio-pci", "Foreign", java.util.Optional.empty());
        fails(EINVAL, () -> bus.create(parent, foreign, A));
        fails(ENOENT, () -> parent.type("test-foreign"));
        assertThat(parent.type("test-small")).isEqualTo(SMALL);
    }

    @Test
    void removeOfWhatIsNotThereIsENODEV() {
        fails(ENODEV, () -> bus.remove(A));
        bus.create(parent, SMALL, A);
        bus.remove(A);
        fails(ENODEV, () -> bus.remove(A));
        assertThat(ops.live).isEmpty();
        assertThat(driver.has).isEmpty();
    }

    @Test
    void aDeviceInUseStaysAndIsAsBefore() {
        MdevDevice device = bus.create(parent, SMALL, A);
        driver.inUse.add(A);
        fails(EBUSY, () -> bus.remove(A, Duration.ofMillis(5)));
        assertThat(driver.limits).containsExactly(Duration.ofMillis(5));
        assertThat(device.isActive()).isTrue();
        assertThat(bus.devices()).containsExactly(device);
        driver.inUse.clear();
        bus.remove(A);
        assertThat(device.isActive()).isFalse();
    }

    @Test
    void aDeviceThatIsBeingMadeOrRemovedIsEAGAIN() throws Exception {
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        MdevDriver slow = new MdevDriver() {
            @Override
            public String name() {
                return "slow";
            }

            @Override
            public void probe(MdevDevice device) {
                inside.countDown();
                await(go);
            }

            @Override
            public void remove(MdevDevice device, Duration limit) {}
        };
        MdevParent other = bus.register("slow", "/devices/virtual/test/slow", new TestParent(8), slow);
        Thread maker = Thread.ofPlatform().start(() -> bus.create(other, SMALL, A));
        inside.await();
        fails(EAGAIN, () -> bus.remove(A));
        fails(EEXIST, () -> bus.create(parent, SMALL, A));
        fails(EBUSY, () -> bus.unregister(other, Duration.ofMillis(10)));
        assertThat(bus.devices()).isEmpty();
        go.countDown();
        maker.join();
        assertThat(bus.findDevice(A)).isPresent();
        bus.unregister(other, Duration.ZERO);
    }

    @Test
    void aParentThatLeavesTakesItsDevicesWithIt() {
        bus.create(parent, SMALL, A);
        bus.create(parent, LARGE, B);
        bus.unregister(parent, Duration.ofSeconds(1));
        assertThat(bus.parents()).isEmpty();
        assertThat(bus.devices()).isEmpty();
        assertThat(ops.live).isEmpty();
        assertThat(driver.has).isEmpty();
        fails(ENODEV, () -> bus.create(parent, SMALL, A));
        fails(ENODEV, () -> bus.unregister(parent, Duration.ZERO));
        fails(ENODEV, () -> bus.parent("test"));
    }

    @Test
    void aUserWhoStaysKeepsTheParentAndAllItsDevices() {
        bus.create(parent, SMALL, A);
        bus.create(parent, SMALL, B);
        bus.create(parent, SMALL, C);
        driver.inUse.add(B);
        fails(EBUSY, () -> bus.unregister(parent, Duration.ofMillis(5)));
        assertThat(bus.devices(parent)).extracting(MdevDevice::uuid).containsExactly(A, B, C);
        assertThat(driver.has).containsExactlyInAnyOrder(A, B, C);
        assertThat(ops.live).hasSize(3);
        bus.remove(A);
        bus.create(parent, SMALL, A);
    }

    @Test
    void aDeviceThatItsDriverDoesNotTakeBackGoes() {
        bus.create(parent, SMALL, A);
        bus.create(parent, SMALL, B);
        driver.inUse.add(B);
        driver.refuse.add(A);
        fails(EBUSY, () -> bus.unregister(parent, Duration.ofMillis(5)));
        assertThat(bus.devices()).extracting(MdevDevice::uuid).containsExactly(B);
        assertThat(ops.live).containsExactly(B);
    }

    @Test
    void whileAParentLeavesNothingIsMadeOfIt() throws Exception {
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        MdevDriver waits = new MdevDriver() {
            @Override
            public String name() {
                return "waits";
            }

            @Override
            public void probe(MdevDevice device) {}

            @Override
            public void remove(MdevDevice device, Duration limit) {
                inside.countDown();
                await(go);
            }
        };
        MdevParent other = bus.register("waits", "/devices/virtual/test/waits", new TestParent(8), waits);
        bus.create(other, SMALL, A);
        Thread leaver = Thread.ofPlatform().start(() -> bus.unregister(other, Duration.ofSeconds(60)));
        inside.await();
        fails(ENODEV, () -> bus.create(other, SMALL, B));
        fails(ENODEV, () -> bus.remove(A));
        fails(ENODEV, () -> bus.unregister(other, Duration.ZERO));
        bus.create(parent, SMALL, B);
        go.countDown();
        leaver.join();
        assertThat(bus.findParent("waits")).isEmpty();
    }

    @Test
    void registersEachNameOnceAndTypesThatAreTheDriversOwn() {
        fails(EEXIST, () -> bus.register("test", "/devices/x", ops, driver));
        MdevParentOps strange = new MdevParentOps() {
            @Override
            public String driverName() {
                return "strange";
            }

            @Override
            public List<MdevType> types() {
                return List.of(SMALL);
            }

            @Override
            public int availableInstances(MdevType type) {
                return 0;
            }

            @Override
            public MdevInstance create(MdevType type, UUID uuid) {
                throw new ErrnoException(EUSERS, "none");
            }
        };
        fails(EINVAL, () -> bus.register("strange", "/devices/x", strange, driver));
        assertThrows(
                IllegalArgumentException.class,
                () -> new MdevType("no/slash-1", "vfio-pci", "", java.util.Optional.empty()));
    }

    @Test
    void listenersHearOfWhatIsThereAndOfEachChangeInOrder() {
        bus.create(parent, SMALL, A);
        List<String> heard = new ArrayList<>();
        MdevBusListener listener = new Recorder(heard);
        bus.addListener(listener);
        assertThat(heard).containsExactly("registered test", "added " + A);
        heard.clear();
        bus.create(parent, SMALL, B);
        bus.remove(A);
        driver.inUse.add(B);
        fails(EBUSY, () -> bus.unregister(parent, Duration.ZERO));
        driver.inUse.clear();
        bus.unregister(parent, Duration.ZERO);
        assertThat(heard).containsExactly("added " + B, "removed " + A, "removed " + B, "unregistered test");
        bus.removeListener(listener);
        bus.register("test", "/devices/virtual/test/test", ops, driver);
        assertThat(heard).hasSize(4);
    }

    @Test
    void attributesAreFoundByPath() {
        MdevDevice device = bus.create(parent, SMALL, A);
        assertThat(device.attribute("kind").show()).isEqualTo("test");
        fails(EACCES, () -> device.attribute("kind").store("other"));
        fails(ENOENT, () -> device.attribute("none"));
    }

    private record Recorder(List<String> heard) implements MdevBusListener {
        @Override
        public void registered(MdevParent parent) {
            heard.add("registered " + parent.name());
        }

        @Override
        public void unregistered(MdevParent parent) {
            heard.add("unregistered " + parent.name());
        }

        @Override
        public void added(MdevDevice device) {
            heard.add("added " + device.uuid());
        }

        @Override
        public void removed(MdevDevice device) {
            heard.add("removed " + device.uuid());
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static void fails(int errno, Executable work) {
        assertThat(assertThrows(ErrnoException.class, work).errno()).isEqualTo(errno);
    }
}
