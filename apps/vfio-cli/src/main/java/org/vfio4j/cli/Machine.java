package org.vfio4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.SysfsView;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiopcicore.VfioPciOptions;
import org.vfio4j.vfiopcifacts.PciFactsTable;
import org.vfio4j.vfiouser.EventLoop;

/**
 * A machine of this process: a bus with functions, their drivers, the VFIO devices that these make, and the servers that offer
 * them. One thread builds it and closes it; its functions are for all threads.
 */
final class Machine implements AutoCloseable {

    /** Room for a function in each slot of one bus, slot 0 left to a host bridge. */
    private static final int LAST_SLOT = 31;

    private static final int FUNCTIONS_OF_A_SLOT = 8;

    private final PciBus bus = new PciBus();
    private final VfioRegistry registry = new VfioRegistry();
    private final List<MachineFunction> functions = new ArrayList<>();
    private final MdevHost mdevs = new MdevHost(registry, this::eventLoop);
    private Optional<SysfsView> view = Optional.empty();
    private Optional<EventLoop> loop = Optional.empty();

    Machine() {
        this(VfioPciOptions.DEFAULTS, List.of());
    }

    /**
     * @param options of the driver vfio-pci
     * @param facts files of an operator's facts, behind the shipped ones
     * @throws ErrnoException what {@link PciFactsTable#with(Path)} says of a file
     */
    Machine(VfioPciOptions options, List<Path> facts) {
        bus.provide(VfioRegistry.class, registry);
        bus.provide(VfioPciOptions.class, options);
        if (!facts.isEmpty()) {
            PciFactsTable table = PciFactsTable.shipped();
            for (Path file : facts) {
                table = table.with(file);
            }
            bus.provide(PciFactsTable.class, table);
        }
        bus.loadDrivers();
    }

    PciBus bus() {
        return bus;
    }

    /** Its mediated devices. */
    MdevHost mdevs() {
        return mdevs;
    }

    List<MachineFunction> functions() {
        return List.copyOf(functions);
    }

    /** Keeps a directory that looks as /sys/bus/pci does. */
    void showIn(Path directory) {
        view = Optional.of(SysfsView.open(bus, directory));
    }

    /** A bus with the installed drivers and no functions. */
    static PciBus driversOnly() {
        PciBus bus = new PciBus();
        bus.loadDrivers();
        return bus;
    }

    /** Plugs a function in at a free place and binds it to the driver that knows it best. */
    MachineFunction add(DevicePlan plan) {
        return add(plan, Optional.empty(), Optional.empty());
    }

    /** Plugs a function in and binds it to a VFIO driver: the one that is wanted, or that knows it best. */
    MachineFunction add(DevicePlan plan, Optional<PciAddress> wanted, Optional<String> wantedDriver) {
        PciAddress address = wanted.orElseGet(this::freeAddress);
        EmulatedDevice emulated = plan.open(address);
        PciDevice device;
        try {
            device = bus.add(address, emulated.function());
        } catch (RuntimeException e) {
            emulated.close();
            throw e;
        }
        MachineFunction function = new MachineFunction(emulated, device, registry, this::eventLoop);
        functions.add(function);
        function.bindFirst(wantedDriver);
        return function;
    }

    @Override
    public void close() {
        view.ifPresent(Closing::quietly);
        Closing.quietly(mdevs);
        // First all of them: a function that waits for its client may keep the bus from the next.
        functions.forEach(MachineFunction::hangUp);
        functions.reversed().forEach(Closing::quietly);
        functions.clear();
        loop.ifPresent(Closing::quietly);
    }

    // The first mdev or function to be served may be one that another process asks for.
    private synchronized EventLoop eventLoop() {
        EventLoop found = loop.orElseGet(EventLoop::new);
        loop = Optional.of(found);
        return found;
    }

    private PciAddress freeAddress() {
        List<PciAddress> taken = bus.devices().stream().map(PciDevice::address).toList();
        for (int function = 0; function < FUNCTIONS_OF_A_SLOT; function++) {
            for (int slot = 1; slot <= LAST_SLOT; slot++) {
                PciAddress address = new PciAddress(0, 0, slot, function);
                if (!taken.contains(address)) {
                    return address;
                }
            }
        }
        throw new CliException(
                ExitCode.BUSY,
                "the bus is full: " + taken.size() + " functions",
                "--address DOMAIN:BUS:SLOT.FUNCTION, or another vfio serve");
    }
}
