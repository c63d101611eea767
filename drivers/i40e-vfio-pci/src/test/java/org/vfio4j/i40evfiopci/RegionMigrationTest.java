package org.vfio4j.i40evfiopci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EINVAL;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.i40evf.NetworkLink;
import org.vfio4j.i40evf.NetworkPort;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.Vfio.DeviceMigrationInfo;
import org.vfio4j.vfiouser.VfioUserClient;

/** struct vfio_device_migration_info of linux/vfio.h before 5.18: a region of its own, and states that are bits. */
class RegionMigrationTest {

    private static final int STOP = 0;
    private static final int RUNNING = 1;
    private static final int SAVING = 2;
    private static final int PRE_COPY = 3;
    private static final int RESUMING = 4;
    private static final int ERROR = 6;

    private final NetworkLink link = new NetworkLink();
    private final NetworkPort port = link.addPort();
    private final Host host = new Host(I40eMigration.V1);
    private final Path source = host.serve(port, "02:00:00:00:00:01");
    private final Path target = host.serve(port, "02:00:00:00:00:01");
    private final Vm vm = new Vm(source, 1);
    private final Vm peer = new Vm(host.serve(link.addPort(), "02:00:00:00:00:02"), 2);
    private final List<VfioUserClient> left = new ArrayList<>();
    private MigrationRegion region = new MigrationRegion(vm.device);

    @AfterEach
    void close() {
        left.forEach(VfioUserClient::close);
        vm.close();
        peer.close();
        host.close();
    }

    @Test
    void refusesStatesThatAreNoneAndWaysThatThereAreNot() {
        for (int state : new int[] {5, ERROR, 7, 8, -1}) {
            refused(() -> region.setState(state));
        }
        region.setState(RESUMING);
        refused(() -> region.setState(SAVING));
        refused(() -> region.setState(PRE_COPY));
        region.setState(RUNNING);
        region.setState(SAVING);
        refused(() -> region.setState(RESUMING));
        refused(() -> region.setState(PRE_COPY));
        assertThat(region.state()).isEqualTo(SAVING);
    }

    @Test
    void refusesAccessesThatAreNoRegistersAndDataInOtherStates() {
        refused(() -> region.register(4));
        refused(() -> region.register(32));
        refused(() -> region.setRegister(DeviceMigrationInfo.PENDING_BYTES, 1));
        refused(() -> region.load(new byte[8], 8));
        region.setState(RESUMING);
        refused(() -> region.setRegister(DeviceMigrationInfo.DATA_SIZE, RegionMigration.WINDOW_BYTES + 1));
        refused(() -> region.setRegister(DeviceMigrationInfo.DATA_SIZE, -1));
    }

    @Test
    void nothingIsPendingWhileTheDeviceRuns() {
        assertThat(region.register(DeviceMigrationInfo.PENDING_BYTES)).isZero();
        region.setState(PRE_COPY);
        assertThat(region.register(DeviceMigrationInfo.PENDING_BYTES)).isZero();
        assertThat(region.register(DeviceMigrationInfo.DATA_SIZE)).isZero();
    }

    @Test
    void aCancelledMigrationGoesOnWhereItWas() {
        region.setState(PRE_COPY);
        region.setState(SAVING);
        region.save();
        region.setState(STOP);
        region.setState(RUNNING);
        peer.tx.send(peer.frameTo(vm, 1));
        assertThat(Vm.number(vm.rx.receive())).isEqualTo(1);
    }

    @Test
    void movesTheFunctionAndWhatWaitsForIt() {
        region.setState(PRE_COPY);
        region.setState(SAVING);
        // It waits in the sender's ring while nobody receives.
        peer.tx.send(peer.frameTo(vm, 1));
        byte[] state = region.save();
        moveTo(target);
        region.setState(RESUMING);
        region.load(state, 100);
        region.setState(RUNNING);
        assertThat(Vm.number(vm.rx.receive())).isEqualTo(1);
        vm.tx.send(vm.frameTo(peer, 2));
        assertThat(Vm.number(peer.rx.receive())).isEqualTo(2);
    }

    @Test
    void aDamagedStateIsAnErrorUntilReset() {
        region.setState(SAVING);
        byte[] state = region.save();
        moveTo(target);
        for (byte[] bad : new byte[][] {spoilt(state), Arrays.copyOf(state, state.length - 1), new byte[100]}) {
            region.setState(RESUMING);
            region.load(bad, 4096);
            refused(() -> region.setState(RUNNING));
            assertThat(region.state()).isEqualTo(ERROR);
            refused(() -> region.setState(RUNNING));
            vm.device.reset();
            assertThat(region.state()).isEqualTo(RUNNING);
        }
    }

    @Test
    void theNextUserFindsADeviceThatWorks() {
        for (int state : new int[] {PRE_COPY, SAVING, STOP, RESUMING}) {
            region.setState(state);
            vm.device.close();
            vm.attach(source);
            region = new MigrationRegion(vm.device);
            assertThat(region.state()).as("after " + state).isEqualTo(RUNNING);
        }
        vm.restart();
        peer.tx.send(peer.frameTo(vm, 1));
        assertThat(Vm.number(vm.rx.receive())).isEqualTo(1);
    }

    // The source is let go when the target has its state: it is reset then.
    private void moveTo(Path socket) {
        left.add(vm.device);
        vm.attach(socket);
        region = new MigrationRegion(vm.device);
    }

    private static byte[] spoilt(byte[] state) {
        byte[] bad = state.clone();
        bad[state.length / 2] ^= 1;
        return bad;
    }

    private static void refused(ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EINVAL));
    }
}
