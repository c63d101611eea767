package org.vfio4j.cli.machine;

import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.vfio4j.bus.AuxiliaryDevice;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.cli.mdev.MdevDefinition;
import org.vfio4j.cli.mdev.MdevSockets;
import org.vfio4j.mdevcore.MdevBus;
import org.vfio4j.mdevcore.MdevDevice;
import org.vfio4j.mdevcore.MdevParent;
import org.vfio4j.mdevcore.MdevType;
import org.vfio4j.sysfsfuse.SysfsActions;

/**
 * What writes in a machine's tree do: a function that gets a VFIO driver is served again, an mdev is served at the socket of its
 * uuid, and others hear of it. Any thread calls.
 *
 * @param changed tells others what is served now
 */
public record MachineActions(Machine machine, Runnable changed) implements SysfsActions {

    @Override
    public void bind(PciDevice device, String driver) {
        attach(device, () -> machine.bus().bind(device, driver));
    }

    @Override
    public void unbind(PciDevice device) {
        function(device)
                .ifPresentOrElse(
                        function -> function.unbind(PciBus.FOREVER),
                        () -> machine.bus().unbind(device));
        changed.run();
    }

    @Override
    public void probe(PciDevice device) {
        if (device.driver().isEmpty()) {
            attach(device, () -> machine.bus().probe(device));
        }
    }

    @Override
    public void setNumVfs(PciDevice device, int count) {
        function(device)
                .ifPresentOrElse(
                        function -> machine.virtuals().set(function, count, PciBus.FOREVER),
                        () -> machine.bus().setNumVfs(device, count));
        changed.run();
    }

    // What is done to a part that is about a function is done to the function, which may be served.
    @Override
    public void bind(AuxiliaryDevice device, String driver) {
        Runnable onBus = () -> device.bus().bind(device, driver);
        function(device).ifPresentOrElse(function -> function.attach(onBus), onBus);
        machine.mdevs().startAgain();
        changed.run();
    }

    @Override
    public void unbind(AuxiliaryDevice device) {
        function(device)
                .ifPresentOrElse(
                        function -> function.unbind(PciBus.FOREVER), () -> machine.unbind(device, PciBus.FOREVER));
        changed.run();
    }

    @Override
    public void create(MdevParent parent, MdevType type, UUID uuid) {
        machine.mdevs()
                .start(new MdevDefinition(parent.name(), uuid, type.name(), false, List.of()), MdevSockets.path(uuid));
        changed.run();
    }

    @Override
    public void remove(MdevDevice device) {
        machine.mdevs().stop(device.uuid(), MdevBus.FOREVER);
        changed.run();
    }

    private void attach(PciDevice device, Runnable onBus) {
        function(device).ifPresentOrElse(function -> function.attach(onBus), onBus);
        changed.run();
    }

    private Optional<MachineFunction> function(AuxiliaryDevice part) {
        return MachineState.functionOf(part).flatMap(this::function);
    }

    private Optional<MachineFunction> function(PciDevice device) {
        return machine.functions().stream()
                .filter(function -> function.device().equals(device))
                .findFirst();
    }
}
