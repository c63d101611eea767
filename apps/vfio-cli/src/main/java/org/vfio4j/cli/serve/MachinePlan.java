package org.vfio4j.cli.serve;

import java.util.List;
import java.util.Optional;
import org.vfio4j.cli.config.MachineConfig;
import org.vfio4j.cli.device.Emulation;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.machine.MachineFunction;
import org.vfio4j.cli.socket.Sockets;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/**
 * The machine that a file describes. What fails says where in the file it stands.
 *
 * @param config the description
 */
public record MachinePlan(MachineConfig config) implements ServePlan {

    @Override
    public MachineConfig.Options options() {
        return config.options();
    }

    @Override
    public void plugInto(Machine machine, VfioUserServerOptions server) {
        for (MachineConfig.Device device : config.devices()) {
            try {
                switch (device) {
                    case MachineConfig.Bridge bridge -> machine.add(bridge.address(), bridge.plan());
                    case MachineConfig.Function function -> start(machine, function, server);
                }
            } catch (CliException e) {
                throw new CliException(e.exitCode(), device.where() + ": " + e.getMessage(), e.hint());
            } catch (ErrnoException e) {
                throw new CliException(ExitCode.of(e.errno()), device.where() + ": " + e.getMessage(), "vfio drivers");
            }
        }
        config.parents().forEach(parent -> add(machine, parent));
    }

    private static void add(Machine machine, MachineConfig.MdevParent parent) {
        try {
            machine.mdevs().add(parent.plan());
        } catch (ErrnoException e) {
            throw new CliException(ExitCode.of(e.errno()), parent.where() + ": " + e.getMessage(), "each parent once");
        }
    }

    private static void start(Machine machine, MachineConfig.Function device, VfioUserServerOptions server) {
        if (device.emulatedBy().isPresent()) {
            MachineFunction function = machine.emulate(new Emulation(
                    device.emulatedBy().get(),
                    Optional.of(device.address()),
                    device.plan(),
                    device.driver(),
                    Optional.empty(),
                    List.of()));
            device.socketPath().ifPresent(path -> Sockets.listen(path, at -> function.serveAt(at, server)));
            machine.virtuals().begin(function, device.numVfs());
            return;
        }
        List<MachineFunction> functions = machine.addAll(device.plan(), device.address(), device.driver());
        device.socketPath()
                .ifPresent(
                        path -> Sockets.listen(path, at -> functions.getFirst().serveAt(at, server)));
        machine.virtuals().begin(functions.getFirst(), device.numVfs());
    }
}
