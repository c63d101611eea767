package org.vfio4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileStat;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/**
 * The devices of a command line, in its order, and the parents of mdevs.
 *
 * @param devices what each device is to be
 * @param parents what each parent is to be
 */
record DevicePlans(List<Planned> devices, List<MdevParentKind.Plan> parents) implements ServePlan {

    private record Planned(DeviceGroup group, DevicePlan plan) {}

    static DevicePlans of(List<DeviceGroup> groups, DeviceKinds kinds) {
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
        return new DevicePlans(planned, parents);
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

    private static void start(Machine machine, DeviceGroup group, DevicePlan plan, VfioUserServerOptions options) {
        List<MachineFunction> functions = add(machine, group, plan);
        Optional<Path> path = group.socketPath(plan);
        if (path.isPresent()) {
            Sockets.serve(functions.getFirst(), path.get(), options);
        } else if (group.fd() >= 0) {
            functions.getFirst().serve(new Endpoint.Inherited(inherited(group.fd())), options);
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

    private static Fd inherited(int number) {
        String hint = "a socket that listens, as systemd or 'socat' would pass it";
        if (number < 3) {
            throw CliException.usage("--fd " + number + ": an inherited descriptor is 3 or more", hint);
        }
        Fd fd = Fd.own(number);
        try {
            if (FileStat.of(fd).isSocket()) {
                return fd;
            }
        } catch (ErrnoException e) {
            throw new CliException(ExitCode.NOT_FOUND, "--fd " + number + ": " + e.getMessage(), hint);
        }
        throw CliException.usage("--fd " + number + " is no socket", hint);
    }
}
