package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.sys.Errno.ENOSYS;
import static org.vfio4j.sys.Errno.ERANGE;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;

/**
 * Puts virtual functions on the bus and takes them off, as the kernel's drivers/pci/iov.c does. For one physical function one
 * thread at a time: under its {@link DeviceLock}.
 */
final class VirtualFunctions {

    private final DeviceTable devices;
    private final DriverCore<PciDevice, LoadedDriver> binding;
    private final PciTopology topology;

    VirtualFunctions(DeviceTable devices, DriverCore<PciDevice, LoadedDriver> binding, PciTopology topology) {
        this.devices = devices;
        this.binding = binding;
        this.topology = topology;
    }

    /** What a write to {@code sriov_numvfs} does; see {@link PciBus#setNumVfs}. */
    void setCount(PciDevice physical, int count, Deadline deadline) {
        String what = "set sriov_numvfs of " + physical + " to " + count;
        PciSriov sriov =
                physical.sriov().orElseThrow(() -> new ErrnoException(ENOENT, what + ": it has no virtual functions"));
        if (count < 0) {
            throw new ErrnoException(EINVAL, what);
        }
        if (count > sriov.totalVfs()) {
            throw new ErrnoException(ERANGE, what + ": the limit is " + sriov.totalVfs());
        }
        physical.slot().lock().acquire(what, deadline);
        try {
            if (physical.slot().isGone()) {
                throw new ErrnoException(ENODEV, what + ": it is gone");
            }
            int now = sriov.numVfs();
            if (count == now) {
                return;
            }
            PciDriver driver =
                    physical.driver().orElseThrow(() -> new ErrnoException(ENOENT, what + ": it has no driver"));
            if (count != 0 && now != 0) {
                throw new ErrnoException(EBUSY, what + ": there are " + now + ", to be disabled first");
            }
            driver.sriovConfigure(physical, count, deadline.left());
        } finally {
            physical.slot().lock().release();
        }
    }

    /** Turns them on and lets drivers see them; see {@link PciBus#enableSriov}. */
    void enable(PciDevice physical, int count, Optional<String> driverOverride) {
        String what = "enable " + count + " virtual functions of " + physical;
        PciSriov sriov = sriovOf(physical, what);
        if (count < 1 || count > sriov.totalVfs()) {
            throw new ErrnoException(EINVAL, what + ": 1 to " + sriov.totalVfs() + " are possible");
        }
        physical.slot().lock().acquire(what, Deadline.in(PciBus.FOREVER));
        try {
            if (sriov.numVfs() != 0) {
                throw new ErrnoException(EINVAL, what + ": there are " + sriov.numVfs());
            }
            sriov.address(count - 1); // is on a bus
            List<PciFunction> functions = sriov.enable(count, topology.windows(physical));
            List<PciDevice> virtuals = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                PciDevice virtual = PciDevice.virtual(physical, i, functions.get(i));
                virtual.setDriverOverride(driverOverride);
                virtual.slot().lock().acquire();
                virtuals.add(virtual);
            }
            try {
                addAll(virtuals, sriov);
                devices.change(physical, () -> sriov.setVirtualFunctions(virtuals));
                probeAll(physical, virtuals);
            } finally {
                virtuals.forEach(virtual -> virtual.slot().lock().release());
            }
        } finally {
            physical.slot().lock().release();
        }
    }

    // All are on the bus before a driver sees the first of them, and their locks are held: those that have to be taken
    // back
    // have no driver, and so no user to wait for.
    private void addAll(List<PciDevice> virtuals, PciSriov sriov) {
        List<PciDevice> added = new ArrayList<>();
        try {
            for (PciDevice virtual : virtuals) {
                devices.add(virtual.address(), () -> virtual);
                added.add(virtual);
            }
        } catch (RuntimeException e) {
            added.forEach(devices::remove);
            sriov.disable();
            throw e;
        }
    }

    // A driver that breaks down takes them all with it, unless one has a user already: then they stay, to be disabled.
    private void probeAll(PciDevice physical, List<PciDevice> virtuals) {
        try {
            virtuals.forEach(binding::probe);
        } catch (RuntimeException e) {
            try {
                disable(physical, Deadline.in(Duration.ZERO));
            } catch (ErrnoException used) {
                e.addSuppressed(used);
            }
            throw e;
        }
    }

    /** Takes all away; see {@link PciBus#disableSriov}. */
    void disable(PciDevice physical, Deadline deadline) {
        String what = "disable the virtual functions of " + physical;
        PciSriov sriov = sriovOf(physical, what);
        physical.slot().lock().acquire(what, deadline);
        try {
            if (sriov.numVfs() != 0) {
                takeAll(sriov.virtualFunctions(), deadline);
                devices.change(physical, () -> sriov.setVirtualFunctions(List.of()));
                sriov.disable();
            }
        } finally {
            physical.slot().lock().release();
        }
    }

    /** Takes one function off the bus, its driver first. */
    void remove(PciDevice device, Deadline deadline) {
        String what = "remove " + device;
        device.slot().lock().acquire(what, deadline);
        try {
            if (device.slot().isGone()) {
                throw new ErrnoException(ENODEV, what + ": it is gone");
            }
            Runnable check = () -> topology.checkNothingBehind(device);
            check.run();
            binding.release(device, deadline);
            if (device.sriov().isPresent()) {
                // A driver may leave them on.
                disable(device, deadline);
            }
            devices.remove(device, check);
        } finally {
            device.slot().lock().release();
        }
    }

    // Users are asked first, in the functions' order. If one of them stays, all stay: those that have lost their driver
    // get it back.
    private void takeAll(List<PciDevice> virtuals, Deadline deadline) {
        List<PciDevice> locked = new ArrayList<>();
        List<Runnable> undo = new ArrayList<>();
        try {
            for (PciDevice virtual : virtuals) {
                virtual.slot().lock().acquire("remove " + virtual, deadline);
                locked.add(virtual);
                Optional<LoadedDriver> driver = virtual.slot().driver();
                binding.release(virtual, deadline);
                driver.ifPresent(lost -> undo.add(() -> binding.takeBack(virtual, lost)));
            }
            undo.clear();
            virtuals.stream().filter(virtual -> !virtual.slot().isGone()).forEach(devices::remove);
        } finally {
            undo.forEach(Runnable::run);
            locked.forEach(virtual -> virtual.slot().lock().release());
        }
    }

    private static PciSriov sriovOf(PciDevice physical, String what) {
        return physical.sriov()
                .orElseThrow(() -> new ErrnoException(ENOSYS, what + ": it is no physical function of SR-IOV"));
    }
}
