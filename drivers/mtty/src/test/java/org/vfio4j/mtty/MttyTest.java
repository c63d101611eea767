package org.vfio4j.mtty;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.vfio4j.mtty.Port.FCR;
import static org.vfio4j.mtty.Port.MCR;
import static org.vfio4j.mtty.Port.MSR;
import static org.vfio4j.mtty.Port.SCR;
import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.sys.Errno.ENOMSG;
import static org.vfio4j.sys.Errno.EUSERS;
import static org.vfio4j.vfio.VfioMigrationState.ERROR;
import static org.vfio4j.vfio.VfioMigrationState.PRE_COPY;
import static org.vfio4j.vfio.VfioMigrationState.RESUMING;
import static org.vfio4j.vfio.VfioMigrationState.RUNNING;
import static org.vfio4j.vfio.VfioMigrationState.STOP;
import static org.vfio4j.vfio.VfioMigrationState.STOP_COPY;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.mdevcore.MdevBus;
import org.vfio4j.mdevcore.MdevDevice;
import org.vfio4j.mdevcore.MdevParent;
import org.vfio4j.mdevcore.MdevType;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioPrecopyInfo;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiomdev.VfioMdevDriver;

/** Serial cards as mdevs: how many there are, what their users see, what their attributes say, and how their state moves. */
@Timeout(60)
final class MttyTest {

    private static final UUID A = new UUID(0, 10);
    private static final UUID B = new UUID(0, 11);
    private static final int HEADER_BYTES = 24;

    private final VfioRegistry registry = new VfioRegistry();
    private final MdevBus bus = new MdevBus();
    private final Mtty mtty = new Mtty();
    private final MdevParent parent = mtty.register(bus, new VfioMdevDriver(registry));
    private final MdevType single = parent.type("mtty-1");
    private final MdevType dual = parent.type("mtty-2");

    @AfterEach
    void close() {
        bus.unregister(parent, Duration.ofSeconds(5));
        mtty.close();
    }

    @Test
    void isWhatTheKernelsSampleIs() {
        assertThat(parent.name()).isEqualTo("mtty");
        assertThat(parent.path()).isEqualTo("/devices/virtual/mtty/mtty");
        assertThat(single.deviceApi()).isEqualTo("vfio-pci");
        assertThat(single.prettyName()).isEqualTo("Single port serial");
        assertThat(dual.prettyName()).isEqualTo("Dual port serial");
    }

    @Test
    void typesShareTwentyFourPorts() {
        assertThat(List.of(parent.availableInstances(single), parent.availableInstances(dual)))
                .containsExactly(24, 12);
        bus.create(parent, dual, A);
        bus.create(parent, single, B);
        assertThat(List.of(parent.availableInstances(single), parent.availableInstances(dual)))
                .containsExactly(21, 10);
        for (int i = 0; i < 10; i++) {
            bus.create(parent, dual, new UUID(1, i));
        }
        fails(EUSERS, () -> bus.create(parent, dual, new UUID(1, 10)));
        bus.create(parent, single, new UUID(1, 10));
        fails(EUSERS, () -> bus.create(parent, single, new UUID(1, 11)));
        bus.remove(A);
        assertThat(parent.availableInstances(dual)).isEqualTo(1);
    }

    @Test
    void aUserHasACardWithLoopbackPlugs() {
        try (var file = open(dual, A)) {
            Port user = new Port(file);
            user.write(1, FCR, 1);
            user.send(1, "echo");
            assertThat(user.received(1)).isEqualTo("echo");
            assertThat(user.received(0)).isEmpty();
            user.write(1, MCR, 3);
            assertThat(user.read(1, MSR) & 0xf0).isEqualTo(0xb0);
        }
    }

    @Test
    void theNextUserFindsACardAfterReset() {
        try (var file = open(single, A)) {
            new Port(file).write(0, SCR, 0x55);
        }
        try (var file = registry.open(A.toString())) {
            assertThat(new Port(file).read(0, SCR)).isZero();
        }
    }

    @Test
    void attributesSayWhatIsPluggedIn(@TempDir Path dir) throws IOException {
        MdevDevice device = bus.create(parent, dual, A);
        assertThat(device.instance().attributes().keySet())
                .containsExactly("port0/peer", "port0/baud", "port1/peer", "port1/baud");
        var peer = device.attribute("port1/peer");
        assertThat(peer.show()).isEqualTo("loopback");
        Path path = dir.resolve("console");
        peer.store("unix:" + path);
        assertThat(peer.show()).isEqualTo("unix:" + path);
        peer.store("unix:" + path);
        try (var file = registry.open(A.toString());
                SocketChannel person = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            Port user = new Port(file);
            person.connect(UnixDomainSocketAddress.of(path));
            while ((user.read(1, MSR) & 0x80) == 0) {
                Thread.onSpinWait();
            }
            user.send(1, "#");
            ByteBuffer one = ByteBuffer.allocate(1);
            person.read(one);
            assertThat(one.get(0)).isEqualTo((byte) '#');
        }
        for (String bad : List.of("", "pty", "unix:", "unix:relative", "unix:/\0")) {
            fails(EINVAL, () -> peer.store(bad));
        }
        fails(ENOENT, () -> peer.store("unix:" + dir.resolve("none/console")));
        fails(EACCES, () -> device.attribute("port1/baud").store("9600"));
        peer.store("none");
        assertThat(path).doesNotExist();
    }

    @Test
    void aCardMovesWhileItRunsAndTheHeaderGoesAhead() {
        try (var from = open(dual, A);
                var to = open(dual, B)) {
            Port source = new Port(from);
            Port target = new Port(to);
            source.write(0, FCR, 1);
            source.write(1, SCR, 0x66);
            target.go(RESUMING);
            source.go(PRE_COPY);
            assertThat(VfioPrecopyInfo.of(from)).isEqualTo(new VfioPrecopyInfo(false, HEADER_BYTES, 0));
            byte[] header = source.take(1000);
            assertThat(header).hasSize(HEADER_BYTES);
            assertThat(VfioPrecopyInfo.of(from).initialBytes()).isZero();
            fails(ENOMSG, () -> source.take(1));
            target.give(header);
            source.send(0, "in flight");
            source.go(STOP_COPY);
            target.give(source.takeAll());
            source.go(STOP);
            target.go(RUNNING);
            assertThat(target.received(0)).isEqualTo("in flight");
            assertThat(target.read(1, SCR)).isEqualTo(0x66);
            target.send(0, "more");
            assertThat(target.received(0)).isEqualTo("more");
        }
    }

    @Test
    void aMigrationThatIsGivenUpLeavesTheCardAsItIs() {
        try (var file = open(single, A)) {
            Port user = new Port(file);
            user.write(0, FCR, 1);
            user.go(PRE_COPY);
            user.go(STOP_COPY);
            user.go(RUNNING);
            user.send(0, "still here");
            assertThat(user.received(0)).isEqualTo("still here");
        }
    }

    @Test
    void aStateOfAnotherTypeIsRefusedAtItsHeader() {
        try (var from = open(dual, A);
                var to = open(single, B)) {
            Port source = new Port(from);
            Port target = new Port(to);
            source.go(PRE_COPY);
            target.go(RESUMING);
            byte[] header = source.take(HEADER_BYTES);
            ErrnoException refused = assertThrows(ErrnoException.class, () -> target.give(header));
            assertThat(refused.errno()).isEqualTo(EINVAL);
            assertThat(refused).hasMessageContaining("2 ports, this card has 1");
            assertThat(target.state()).isEqualTo(ERROR);
            // The source runs on and has lost nothing.
            source.go(RUNNING);
            to.reset();
            assertThat(target.state()).isEqualTo(RUNNING);
        }
    }

    @Test
    void aStateThatIsCutIsRefused() {
        try (var file = open(single, A)) {
            Port user = new Port(file);
            user.go(STOP_COPY);
            byte[] state = user.takeAll();
            user.go(STOP);
            user.go(RESUMING);
            user.give(java.util.Arrays.copyOf(state, state.length - 1));
            fails(EINVAL, () -> user.go(STOP));
            assertThat(user.state()).isEqualTo(ERROR);
        }
    }

    @Test
    void aUserKeepsTheParent() {
        try (var file = open(single, A)) {
            assertThat(file.info().numRegions()).isEqualTo(9);
            fails(EBUSY, () -> bus.unregister(parent, Duration.ofMillis(10)));
            assertThat(bus.devices()).hasSize(1);
        }
    }

    private org.vfio4j.vfio.LocalDeviceFile open(MdevType type, UUID uuid) {
        bus.create(parent, type, uuid);
        return registry.open(uuid.toString());
    }

    private static void fails(int errno, Executable work) {
        assertThat(assertThrows(ErrnoException.class, work).errno()).isEqualTo(errno);
    }
}
