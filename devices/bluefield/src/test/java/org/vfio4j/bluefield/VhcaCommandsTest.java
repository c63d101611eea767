package org.vfio4j.bluefield;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.mlx5.VhcaSide.INITIATOR;
import static org.vfio4j.mlx5.VhcaSide.RESPONDER;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.mlx5.Mlx5Firmware;
import org.vfio4j.mlx5.PageTrackRange;
import org.vfio4j.mlx5.SnapFunction;
import org.vfio4j.mlx5.SnapListener;
import org.vfio4j.mlx5.VhcaSide;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.virtioblk.VirtioBlk;

/** The firmware's commands: in which order they make sense, and what they refuse. */
class VhcaCommandsTest {

    private static final PciAddress DISK = PciAddress.parse("08:00.0");
    private static final List<PageTrackRange> ALL = List.of(new PageTrackRange(0, -1));

    private final MemoryBackend storage = new MemoryBackend(1 << 20);
    private final PciBus bus = new PciBus();
    private final Bluefield dpu = new Bluefield(bus, PciAddress.parse("07:00.0"));
    private final Mlx5Firmware firmware = dpu.networkFunctions()
            .get(0)
            .function()
            .platform(Mlx5Firmware.class)
            .orElseThrow();
    private final SnapFunction snap = dpu.createVirtioBlk(0, DISK, disk());
    private final int vhca = snap.vhcaId();

    @AfterEach
    void close() {
        dpu.close();
        storage.close();
    }

    @Test
    void isANetworkFunctionWithItsFirmwareStarted() {
        PciFunction pf = dpu.networkFunctions().get(1).function();
        assertThat(pf.configRead(0, 4)).isEqualTo(0xa2d6_15b3);
        assertThat(pf.configRead(8, 4) >>> 16).isEqualTo(0x0200);
        assertThat((int) pf.barRead(0, 0, 4)).isNotZero();
        assertThat(pf.barRead(0, 0x1fc, 4)).isZero();
        pf.barWrite(0, 0, 4, 0);
        assertThat(pf.barRead(0, 1 << 20, 4)).isZero();
    }

    @Test
    void namesTheFunctionByItsRoutingId() {
        assertThat(snap.bdf()).isEqualTo(2048);
        assertThat(firmware.subscribe(new Heard())).containsExactly(snap);
        Mlx5Firmware other = dpu.networkFunctions()
                .get(1)
                .function()
                .platform(Mlx5Firmware.class)
                .orElseThrow();
        assertThat(other.subscribe(new Heard())).isEmpty();
        refused(() -> other.suspendVhca(vhca, INITIATOR));
        assertThat(bus.device(DISK).function().platform(FunctionState.class)).isEmpty();
    }

    @Test
    void suspendsTheInitiatorFirstAndResumesItLast() {
        refused(() -> firmware.suspendVhca(vhca, RESPONDER));
        refused(() -> firmware.resumeVhca(vhca, INITIATOR));
        firmware.suspendVhca(vhca, INITIATOR);
        refused(() -> firmware.suspendVhca(vhca, INITIATOR));
        refused(() -> firmware.resumeVhca(vhca, RESPONDER));
        firmware.suspendVhca(vhca, RESPONDER);
        refused(() -> firmware.suspendVhca(vhca, RESPONDER));
        refused(() -> firmware.resumeVhca(vhca, INITIATOR));
        firmware.resumeVhca(vhca, RESPONDER);
        firmware.resumeVhca(vhca, INITIATOR);
        for (VhcaSide side : VhcaSide.values()) {
            refused(() -> firmware.resumeVhca(vhca, side));
        }
    }

    @Test
    void aResetUndoesEverything() {
        undoneBy(PciFunction::reset);
        undoneBy(PciFunction::initiateReset);
    }

    private void undoneBy(Consumer<PciFunction> reset) {
        suspend();
        firmware.loadVhcaState(vhca, notTheLast());
        assertThat(firmware.queryVhcaMigrationState(vhca, false).isLoading()).isTrue();
        reset.accept(bus.device(DISK).function());
        assertThat(firmware.queryVhcaMigrationState(vhca, false).isLoading()).isFalse();
        suspend();
        firmware.resumeVhca(vhca, RESPONDER);
        firmware.resumeVhca(vhca, INITIATOR);
    }

    @Test
    void savesWhatRunsOnlyToTrackItAndWhatIsStoppedOnlyInTheEnd() {
        refused(() -> firmware.saveVhcaState(vhca, false, false));
        refused(() -> firmware.saveVhcaState(vhca, true, true));
        refused(() -> firmware.queryVhcaMigrationState(vhca, true));
        byte[] first = firmware.saveVhcaState(vhca, false, true);
        assertThat(firmware.queryVhcaMigrationState(vhca, true).requiredUmemSize())
                .isZero();
        bus.device(DISK).function().barWrite(4, 0, 4, 1);
        int needed = firmware.queryVhcaMigrationState(vhca, true).requiredUmemSize();
        assertThat(needed).isPositive().isLessThan(first.length);
        assertThat(firmware.saveVhcaState(vhca, true, true)).hasSize(needed);
        suspend();
        refused(() -> firmware.saveVhcaState(vhca, true, true));
        byte[] last = firmware.saveVhcaState(vhca, true, false);
        assertThat(last.length).isLessThan(first.length);
        refused(() -> firmware.saveVhcaState(vhca, true, false));
    }

    @Test
    void loadsWhatIsStoppedOnlyAndDoesNotRunItHalf() {
        byte[] first = notTheLast();
        refused(() -> firmware.loadVhcaState(vhca, first));
        suspend();
        firmware.loadVhcaState(vhca, first);
        refused(() -> firmware.resumeVhca(vhca, RESPONDER));
        // After a refusal images begin anew.
        refused(() -> firmware.loadVhcaState(vhca, new byte[100]));
        firmware.loadVhcaState(vhca, first);
        refused(() -> firmware.loadVhcaState(vhca, first));
        firmware.resumeVhca(vhca, RESPONDER);
    }

    @Test
    void hasOnePageTrackerOfAVhcaWithinItsLimits() {
        refused(() -> firmware.createPageTracker(vhca, List.of(), 12));
        refused(() -> firmware.createPageTracker(vhca, Collections.nCopies(17, ALL.get(0)), 12));
        refused(() -> firmware.createPageTracker(vhca, ALL, 11));
        refused(() -> firmware.createPageTracker(vhca, ALL, 31));
        refused(() -> firmware.createPageTracker(vhca + 1, ALL, 12));
        int tracker = firmware.createPageTracker(vhca, ALL, 12);
        errno(EBUSY, () -> firmware.createPageTracker(vhca, ALL, 12));
        firmware.destroyPageTracker(tracker);
        refused(() -> firmware.destroyPageTracker(tracker));
        refused(() -> firmware.reportPageTracker(tracker, 0, 1, page -> {}));
        firmware.destroyPageTracker(firmware.createPageTracker(vhca, ALL, 12));
    }

    @Test
    void tellsOfFunctionsThatComeAndGoAndKeepsThoseInUse() {
        Heard heard = new Heard();
        firmware.subscribe(heard);
        SnapFunction second = dpu.createVirtioBlk(0, PciAddress.parse("08:00.1"), disk());
        heard.inUse = true;
        errno(EBUSY, () -> dpu.delete(second, Duration.ZERO));
        assertThat(dpu.functions()).contains(second);
        heard.inUse = false;
        dpu.delete(second, Duration.ZERO);
        errno(ENOENT, () -> dpu.delete(second, Duration.ZERO));
        errno(EEXIST, () -> dpu.createVirtioBlk(0, DISK, disk()));
        firmware.unsubscribe(heard);
        dpu.delete(snap, Duration.ZERO);
        assertThat(heard.what).containsExactly("added 2049", "removing 2049", "removing 2049");
        assertThat(dpu.functions()).isEmpty();
    }

    @Test
    void aDiskGrowsUnlessItIsBeingMigrated() {
        // Memory does not: what the storage says is told.
        errno(EOPNOTSUPP, () -> dpu.resize(snap, 2 << 20));
        firmware.suspendVhca(vhca, INITIATOR);
        errno(EBUSY, () -> dpu.resize(snap, 2 << 20));
        firmware.resumeVhca(vhca, INITIATOR);
        firmware.saveVhcaState(vhca, false, true);
        errno(EBUSY, () -> dpu.resize(snap, 2 << 20));
        bus.device(DISK).function().reset();
        errno(EOPNOTSUPP, () -> dpu.resize(snap, 2 << 20));
        dpu.delete(snap, Duration.ZERO);
        errno(ENOENT, () -> dpu.resize(snap, 2 << 20));
    }

    private VirtioBlk disk() {
        return VirtioBlk.builder(storage).build();
    }

    private byte[] notTheLast() {
        SnapFunction other = dpu.createVirtioBlk(0, PciAddress.parse("09:00.0"), disk());
        try {
            return firmware.saveVhcaState(other.vhcaId(), false, true);
        } finally {
            dpu.delete(other, Duration.ZERO);
        }
    }

    private void suspend() {
        firmware.suspendVhca(vhca, INITIATOR);
        firmware.suspendVhca(vhca, RESPONDER);
    }

    private static void refused(Runnable call) {
        errno(EINVAL, call);
    }

    private static void errno(int errno, Runnable call) {
        assertThatThrownBy(call::run)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }

    private static final class Heard implements SnapListener {

        private final List<String> what = new ArrayList<>();
        private boolean inUse;

        @Override
        public void added(SnapFunction function) {
            what.add("added " + function.bdf());
        }

        @Override
        public void removing(SnapFunction function, Duration limit) {
            what.add("removing " + function.bdf());
            if (inUse) {
                throw new ErrnoException(EBUSY, "in use");
            }
        }
    }
}
