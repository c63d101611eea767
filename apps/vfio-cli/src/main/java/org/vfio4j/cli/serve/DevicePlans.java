package org.vfio4j.cli.serve;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.config.MachineConfig;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.device.DevicePlan;
import org.vfio4j.cli.device.Emulation;
import org.vfio4j.cli.device.MdevParentKind;
import org.vfio4j.cli.machine.Endpoint;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.machine.MachineFunction;
import org.vfio4j.cli.socket.InheritedSockets;
import org.vfio4j.cli.socket.Sockets;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/**
 * The devices of a command line, in its order, and the parents of mdevs.
 *
 * @param devices what each device is to be
 * @param parents what each parent is to be
 * @param sockets those that {@code --fd} names
 */
public record DevicePlans(List<Planned> devices, List<MdevParentKind.Plan> parents, InheritedSockets sockets)
        implements ServePlan {

    private record Planned(DeviceGroup group, DevicePlan plan) {}

    public static DevicePlans of(List<DeviceGroup> groups, DeviceKinds kinds, InheritedSockets sockets) {
        List<Planned> planned = new ArrayList<>();
        List<MdevParentKind.Plan> parents = new ArrayList<>();
        for (DeviceGroup group : groups) {
            if (group.parentPlan().map(parents::add).isPresent()) {
                continue;
            }
            DevicePlan plan = group.plan(kinds);
            group.socketPath(plan);
            group.address();
            if (group.emulatedBy().isPresent() && plan.snapProtocol().isEmpty()) {
                throw CliException.usage(
                        "--emulated-by: a DPU emulates virtio-blk and nvme", "vfio serve bluefield + virtio-blk ...");
            }
            planned.add(new Planned(group, plan));
        }
        return new DevicePlans(planned, parents, sockets);
    }

    @Override
    public MachineConfig.Options options() {
        return MachineConfig.Options.NONE;
    }

    @Override
    public void plugInto(Machine machine, VfioUserServerOptions server) {
        devices.forEach(device -> start(machine, device.group(), device.plan(), server));
        try {
            parents.forEach(machine.mdevs()::add);
        } catch (ErrnoException e) {
            throw new CliException(e, "each parent once");
        }
    }

    private void start(Machine machine, DeviceGroup group, DevicePlan plan, VfioUserServerOptions options) {
        List<MachineFunction> functions = add(machine, group, plan);
        Optional<Path> path = group.socketPath(plan);
        if (path.isPresent()) {
            Sockets.listen(path.get(), at -> functions.getFirst().serveAt(at, options));
        } else if (group.fd() >= 0) {
            MachineFunction function = functions.getFirst();
            function.serve(new Endpoint.Inherited(sockets.take(function.name(), group.fd())), options);
        }
    }

    private static List<MachineFunction> add(Machine machine, DeviceGroup group, DevicePlan plan) {
        try {
            if (group.emulatedBy().isPresent()) {
                PciAddress dpu = group.emulatedBy().get();
                return List.of(machine.emulate(
                        new Emulation(dpu, group.address(), plan, group.driver(), Optional.empty(), List.of())));
            }
            PciAddress address = group.address().orElseGet(machine::freeAddress);
            plan.places(address);
            return machine.addAll(plan, address, group.driver());
        } catch (ErrnoException e) {
            throw new CliException(
                    e,
                    switch (e.errno()) {
                        case Errno.EEXIST -> "another --address, or none";
                        case Errno.ENODEV -> "vfio drivers";
                        default -> "vfio serve --help";
                    });
        }
    }
}
