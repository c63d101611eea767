package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.ENODEV;

import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.bus.SysfsView;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioDevice;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;
import org.vfio4j.virtioblk.VirtioBlk;

/**
 * A machine of this process: a bus with functions, their drivers, the VFIO devices that these make, and the servers that offer
 * them. One thread builds it and closes it; closing goes through everything in the opposite order.
 */
final class Machine implements AutoCloseable {

    /** Room for a function in each slot of one bus, slot 0 left to a host bridge. */
    private static final int LAST_SLOT = 31;

    private static final int FUNCTIONS_OF_A_SLOT = 8;

    private final PciBus bus = new PciBus();
    private final VfioRegistry registry = new VfioRegistry();
    private final List<Disk> disks = new ArrayList<>();
    private final Deque<AutoCloseable> opened = new ArrayDeque<>();
    private Optional<EventLoop> loop = Optional.empty();

    /** A disk on the bus. */
    record Disk(PciDevice device, VfioDevice vfio, VirtioBlk function, BlockBackend storage) {
        /** As {@code 512 MiB, memory}. */
        String describe() {
            String access = storage.readOnly() ? ", read-only" : "";
            return Sizes.format(storage.sizeBytes()) + ", " + storage.describe() + access;
        }
    }

    Machine() {
        bus.provide(VfioRegistry.class, registry);
        bus.loadDrivers();
    }

    PciBus bus() {
        return bus;
    }

    List<Disk> disks() {
        return List.copyOf(disks);
    }

    /** Keeps a directory that looks as /sys/bus/pci does. */
    void showIn(Path directory) {
        opened.push(SysfsView.open(bus, directory));
    }

    /** A bus with the installed drivers and no functions. */
    static PciBus driversOnly() {
        PciBus bus = new PciBus();
        bus.loadDrivers();
        return bus;
    }

    /** Plugs a virtio-blk function in at a free place and binds it to the driver that knows it best. */
    Disk add(DiskSettings settings) {
        return add(settings, Optional.empty(), Optional.empty());
    }

    /** Plugs a virtio-blk function in and binds it to a VFIO driver: the one that is wanted, or that knows it best. */
    Disk add(DiskSettings settings, Optional<PciAddress> wanted, Optional<String> wantedDriver) {
        PciAddress address = wanted.orElseGet(this::freeAddress);
        BlockBackend storage = settings.openStorage();
        opened.push(storage);
        VirtioBlk function = settings.builder(storage, "virtio-blk-" + address).build();
        opened.push(function);
        PciDevice device = bus.add(address, function.function());
        opened.push(() -> bus.remove(device));
        String driver = wantedDriver.orElseGet(
                () -> bus.vfioDrivers(device.modalias()).getFirst().driver());
        bus.setDriverOverride(device, Optional.of(driver));
        bus.bind(device, driver);
        Disk disk = new Disk(device, vfioDeviceOf(device), function, storage);
        disks.add(disk);
        return disk;
    }

    /** Opens a disk for the caller, who closes the file before the machine. */
    LocalDeviceFile open(Disk disk) {
        return disk.vfio().open();
    }

    /** Serves a disk at a path. */
    void serve(Disk disk, Path socket, VfioUserServerOptions options) {
        serve(disk, file -> VfioUserServer.listen(eventLoop(), socket, file, options));
    }

    /** Serves a disk on a socket that listens already. */
    void serve(Disk disk, Fd listening, VfioUserServerOptions options) {
        serve(disk, file -> VfioUserServer.adopt(eventLoop(), listening, file, options));
    }

    @Override
    public void close() {
        while (!opened.isEmpty()) {
            AutoCloseable next = opened.pop();
            try {
                next.close();
            } catch (Exception e) {
                // The rest is to be released all the same.
                System.getLogger(Machine.class.getName()).log(System.Logger.Level.WARNING, "while closing", e);
            }
        }
        disks.clear();
    }

    private interface Start {
        VfioUserServer serve(LocalDeviceFile file);
    }

    private void serve(Disk disk, Start start) {
        LocalDeviceFile file = open(disk);
        try {
            opened.push(start.serve(file));
        } catch (ErrnoException e) {
            file.close();
            throw e;
        }
    }

    private EventLoop eventLoop() {
        EventLoop found = loop.orElseGet(EventLoop::new);
        if (loop.isEmpty()) {
            loop = Optional.of(found);
            opened.push(found);
        }
        return found;
    }

    private VfioDevice vfioDeviceOf(PciDevice device) {
        return registry.devices().stream()
                .filter(vfio -> vfio.parentName().equals(device.toString()))
                .findFirst()
                .orElseThrow(() -> new ErrnoException(
                        ENODEV,
                        "VFIO device of " + device + ": driver "
                                + device.driver().map(PciDriver::name).orElse("(none)") + " makes none"));
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
