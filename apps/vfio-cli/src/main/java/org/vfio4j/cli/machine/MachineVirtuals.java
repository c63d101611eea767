package org.vfio4j.cli.machine;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciSriov;
import org.vfio4j.cli.device.EmulatedDevice;
import org.vfio4j.cli.process.Closing;
import org.vfio4j.cli.socket.Sockets;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/**
 * The virtual functions of a {@link Machine}: turns them on and off and serves those that are on. Their users are clients of this one
 * process, and so are those of the physical functions: it has one VF token for all. Any thread calls; one at a time changes them.
 */
public final class MachineVirtuals {

    private final Machine machine;
    private final List<MachineFunction> functions;
    private final VfioUserServerOptions options;
    private final UUID token = UUID.randomUUID();

    /** @param functions of the machine: those that come and go are added and removed here */
    MachineVirtuals(Machine machine, List<MachineFunction> functions, VfioUserServerOptions options) {
        this.machine = machine;
        this.functions = functions;
        this.options = options;
    }

    /** What a user of the function has to show; empty for one that has nothing to do with SR-IOV. */
    Optional<UUID> token(PciDevice device) {
        boolean shares = device.sriov().isPresent() || device.physicalFunction().isPresent();
        return shares ? Optional.of(token) : Optional.empty();
    }

    /** Those that are on, of a physical function. */
    List<MachineFunction> of(PciDevice physical) {
        return functions.stream()
                .filter(function -> function.device()
                        .physicalFunction()
                        .filter(physical::equals)
                        .isPresent())
                .toList();
    }

    /** Those that are on from the start: so many, unless another process before this one had others. */
    public void begin(MachineFunction physical, int planned) {
        set(physical, machine.keeping().numVfs(physical.device().address(), planned), PciBus.FOREVER);
    }

    /**
     * A write of {@code sriov_numvfs}. Those that go lose their clients, who are asked to let go; those that come are served.
     *
     * @param limit how long to wait for the clients
     * @throws ErrnoException as {@link PciBus#setNumVfs(PciDevice, int, Duration)}
     * @throws CliException when the socket of one cannot be made: none is on then
     */
    public void set(MachineFunction physical, int count, Duration limit) {
        machine.changes().pass(() -> setNow(physical, count, limit));
    }

    private synchronized void setNow(MachineFunction physical, int count, Duration limit) {
        PciDevice device = physical.device();
        if (count == 0 && device.sriov().map(PciSriov::numVfs).orElse(0) == 0) {
            return;
        }
        // Their users have to show what the physical function's user has set.
        physical.showToken();
        List<MachineFunction> going = of(device);
        if (going.isEmpty()) {
            device.bus().setNumVfs(device, count, limit);
        } else {
            MachineFunction.take("turn off", going, () -> device.bus().setNumVfs(device, count, limit));
            forgetGone();
        }
        try {
            machine.keeping().setNumVfs(device.address(), count);
            List<PciDevice> on = device.sriov().map(PciSriov::virtualFunctions).orElse(List.of());
            for (int i = 0; i < on.size(); i++) {
                serve(physical, on.get(i), physical.virtuals().get(i));
            }
        } catch (RuntimeException e) {
            setNow(physical, 0, PciBus.FOREVER);
            throw e;
        }
    }

    /** Has as many on as there are elsewhere, whatever the machine's description says. */
    void turnOn(MachineFunction physical, int wanted) {
        int on = physical.device().sriov().map(PciSriov::numVfs).orElse(0);
        if (on != wanted) {
            set(physical, 0, PciBus.FOREVER);
            set(physical, wanted, PciBus.FOREVER);
        }
    }

    /** Those that have left the bus with their physical function or its driver are no functions of the machine any more. */
    void forgetGone() {
        List<PciDevice> there = machine.bus().devices();
        List<MachineFunction> gone = new ArrayList<>(functions);
        gone.removeIf(function -> function.device().physicalFunction().isEmpty() || there.contains(function.device()));
        functions.removeAll(gone);
        gone.forEach(Closing::quietly);
    }

    private void serve(MachineFunction physical, PciDevice device, EmulatedDevice.Virtual virtual) {
        MachineFunction function = MachineFunction.virtual(virtual.device(), device, machine, physical);
        functions.add(function);
        function.attach(() -> {});
        Optional<Path> socket = virtual.socket();
        socket.ifPresent(path -> Sockets.listen(path, at -> function.serveAt(at, options)));
    }
}
