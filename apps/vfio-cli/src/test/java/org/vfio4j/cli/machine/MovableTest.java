package org.vfio4j.cli.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.device.BluefieldKind;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.device.Setting;
import org.vfio4j.cli.device.Storage;
import org.vfio4j.cli.load.RunningLoad;
import org.vfio4j.cli.mdev.MdevDefinition;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** Devices that were opened to be taken over, and nothing came of it: nobody uses them then, and they work. */
@Timeout(60)
class MovableTest {

    private static final String NETWORK_FUNCTION = "0000:07:00.0";
    private static final UUID DISK = UUID.fromString("83b8f4f2-509f-382f-3c1e-e6bfe0fa2001");

    @TempDir
    private Path directory;

    private final Leaks before = Leaks.snapshot();
    private final Machine machine = new Machine();
    private boolean works;

    /** One that somebody has open still would wait for him without end. */
    @AfterEach
    void close() {
        if (works) {
            machine.close();
            before.assertNone();
        }
    }

    @Test
    void aFunctionThatWasPreparedInVainIsAsBefore() {
        Path socket = directory.resolve("a.sock");
        machine.setTakingOver(true);
        MachineFunction function = machine.add(new DeviceKinds(Storage.ANEW).plan(List.of("virtio-blk", "memory=4M")));
        function.serve(new Endpoint.AtPath(socket), VfioUserServerOptions.DEFAULTS);
        function.prepare();
        assertThatThrownBy(() -> function.unbind(Duration.ZERO)).hasMessageContaining("EBUSY");
        function.unprepare();
        // There is nothing left to take back.
        function.unprepare();
        function.unbind(Duration.ZERO);
        function.bind(Optional.empty());
        assertThat(function.isServed()).isFalse();
        machine.setTakingOver(false);
        machine.serveRest();
        works(socket);
    }

    @Test
    void soIsAScalableFunction() {
        Path socket = directory.resolve("sf.sock");
        machine.addAll(
                new BluefieldKind(Storage.ANEW).plan(Setting.parse(List.of("ports=1", "sfs=1", "sf-storage=memory"))),
                PciAddress.parse(NETWORK_FUNCTION),
                Optional.empty());
        machine.setTakingOver(true);
        start(socket);
        MdevService function = machine.mdevs().services().getFirst();
        function.prepare();
        assertThatThrownBy(() -> machine.mdevs().stop(DISK, Duration.ZERO)).hasMessageContaining("EBUSY");
        function.unprepare();
        function.unprepare();
        machine.mdevs().stop(DISK, Duration.ZERO);
        machine.setTakingOver(false);
        start(socket);
        works(socket);
    }

    private void start(Path socket) {
        machine.mdevs()
                .start(
                        new MdevDefinition(NETWORK_FUNCTION, DISK, "mlx5_core-virtio_blk_small", false, List.of()),
                        socket);
    }

    private void works(Path socket) {
        try (RunningLoad load = RunningLoad.virtio(socket)) {
            load.awaitMore();
            load.finish();
        }
        works = true;
    }
}
