package org.vfio4j.vfiopcicore;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;

import java.time.Duration;
import java.util.Optional;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.bus.PciSriov;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioDevice;
import org.vfio4j.vfio.VfioDeviceOps;
import org.vfio4j.vfio.VfioRegistry;

/**
 * A device that a driver has given to VFIO: what the driver's probe makes and its remove ends, as
 * {@code vfio_pci_core_register_device} and {@code vfio_pci_core_unregister_device} do in the kernel. It is the device's driver
 * data. The bus's threads call, under the device's lock.
 */
public final class VfioPciRegistration {

    private final PciDriver driver;
    private final PciDevice device;
    private final VfioPciCore core;
    private final VfioRegistry registry;
    private final VfioDevice vfioDevice;
    private boolean holdsForVirtuals;

    private VfioPciRegistration(
            PciDriver driver, PciDevice device, VfioPciCore core, VfioRegistry registry, VfioDevice vfioDevice) {
        this.driver = driver;
        this.device = device;
        this.core = core;
        this.registry = registry;
        this.vfioDevice = vfioDevice;
    }

    /**
     * Registers a device: the last thing that a driver's probe does. When it fails the core is released.
     *
     * @param core made for this device by {@link VfioPciCore#create}
     * @param ops what users reach: the core, or the driver's own that delegate to it
     * @throws ErrnoException EINVAL when the core is another device's, the driver has left other data at the device, or the
     *     operations lack something; EBUSY for a physical function with virtual functions, which may have users whom nobody has
     *     asked; ENODEV on a machine without VFIO
     */
    public static VfioPciRegistration register(
            PciDriver driver, PciDevice device, VfioPciCore core, VfioDeviceOps ops) {
        String what = driver.name() + ": register " + device;
        boolean registered = false;
        try {
            check(what, device, core);
            PciBus bus = device.bus();
            VfioRegistry registry = bus.service(VfioRegistry.class);
            VfioDevice vfioDevice = registry.register(ops, () -> bus.reference(driver), device.toString(), core.use());
            VfioPciRegistration made = new VfioPciRegistration(driver, device, core, registry, vfioDevice);
            device.setDriverData(made);
            if (!core.options().disableIdleD3()) {
                core.use().power().start();
            }
            registered = true;
            return made;
        } finally {
            if (!registered) {
                core.release();
            }
        }
    }

    private static void check(String what, PciDevice device, VfioPciCore core) {
        if (!core.isFor(device)) {
            throw new ErrnoException(EINVAL, what + " with a core that was not made for it");
        }
        if (device.findDriverData(Object.class).isPresent()) {
            throw new ErrnoException(EINVAL, what + ", whose driver data is taken");
        }
        int virtuals = device.sriov().map(PciSriov::numVfs).orElse(0);
        if (virtuals != 0) {
            throw new ErrnoException(EBUSY, what + ", which has " + virtuals + " virtual functions");
        }
    }

    /** What VFIO's registry has of it. */
    public VfioDevice vfioDevice() {
        return vfioDevice;
    }

    public VfioPciCore core() {
        return core;
    }

    /**
     * Takes the device away from VFIO, and the virtual functions that were turned on through it: the users of both are asked to
     * let go and waited for.
     *
     * @throws ErrnoException EBUSY when they have not within {@code limit}, EINTR when the thread is interrupted: the device and
     *     its virtual functions then stay
     */
    public void unregister(Duration limit) {
        long startNs = System.nanoTime();
        registry.unregister(vfioDevice, limit, () -> sriovConfigure(0, left(limit, startNs)));
        core.use().power().stop();
        core.release();
    }

    /**
     * Turns virtual functions on, for this driver and no other, or off: {@code vfio_pci_core_sriov_configure}.
     *
     * @param limit how long to wait for the users of those that go
     * @throws ErrnoException EINVAL when some are on already; EBUSY while the user of the physical function has it in another
     *     power state than D0; otherwise as {@link PciBus#enableSriov} and
     *     {@link PciBus#disableSriov} have it
     */
    public void sriovConfigure(int numVfs, Duration limit) {
        PciBus bus = device.bus();
        if (numVfs == 0) {
            if (holdsForVirtuals) {
                bus.disableSriov(device, limit);
                releaseForVirtuals();
            }
            return;
        }
        if (holdsForVirtuals) {
            throw new ErrnoException(EINVAL, "enable virtual functions of " + device + ", which has some");
        }
        // A function in D3hot cannot have virtual functions that do something. The kernel would wake it, under its
        // user.
        if (!core.use().power().holdForVirtuals()) {
            throw new ErrnoException(
                    EBUSY, "enable virtual functions of " + device + ", which its user has put to sleep");
        }
        holdsForVirtuals = true;
        boolean enabled = false;
        try {
            bus.enableSriov(device, numVfs, Optional.of(driver.name()));
            enabled = true;
        } finally {
            if (!enabled) {
                releaseForVirtuals();
            }
        }
    }

    /** What the users of its virtual functions have to show. */
    Optional<VfToken> vfToken() {
        return core.use().own();
    }

    private void releaseForVirtuals() {
        holdsForVirtuals = false;
        core.use().power().releaseForVirtuals();
    }

    private static Duration left(Duration limit, long startNs) {
        boolean forever = limit.compareTo(PciBus.FOREVER) >= 0;
        Duration left = limit.minusNanos(System.nanoTime() - startNs);
        return forever ? limit : left.isNegative() ? Duration.ZERO : left;
    }
}
