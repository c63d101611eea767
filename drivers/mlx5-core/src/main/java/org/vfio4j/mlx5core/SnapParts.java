package org.vfio4j.mlx5core;

import static org.vfio4j.sys.Errno.ENODEV;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.vfio4j.bus.AuxiliaryDevice;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.mlx5.Mlx5Firmware;
import org.vfio4j.mlx5.SnapFunction;
import org.vfio4j.mlx5.SnapListener;
import org.vfio4j.sys.ErrnoException;

/**
 * The auxiliary devices of one physical function: {@code mlx5_core.vfio_pci.N} for each function that the DPU emulates behind it, N
 * being its routing id in decimal. While there is one its function belongs to {@link #DRIVER} alone, by driver_override. Safe for all
 * threads; the firmware tells of functions on threads of its own.
 */
final class SnapParts implements SnapListener {

    /** The driver that the functions are for. */
    static final String DRIVER = "mlx5-vfio-pci";

    private static final String PART = "vfio_pci";
    private static final Logger LOG = System.getLogger(SnapParts.class.getName());

    private final PciDevice parent;
    private final Mlx5Firmware firmware;
    private final Map<SnapFunction, AuxiliaryDevice> parts = new ConcurrentHashMap<>();

    SnapParts(PciDevice parent, Mlx5Firmware firmware) {
        this.parent = parent;
        this.firmware = firmware;
    }

    void start() {
        firmware.subscribe(this).forEach(this::added);
    }

    /** The bus takes what is left of the parts. */
    void stop() {
        firmware.unsubscribe(this);
        parts.values().forEach(part -> open(part.data(Mlx5VfioPciDevice.class).function()));
        parts.clear();
    }

    @Override
    public void added(SnapFunction snap) {
        try {
            PciDevice function = parent.bus().device(address(snap));
            parent.bus().setDriverOverride(function, Optional.of(DRIVER));
            Mlx5VfioPciDevice data = new Mlx5VfioPciDevice(function, snap.vhcaId(), firmware);
            parts.put(snap, parent.bus().auxiliary().add(parent, Mlx5CoreDriver.NAME, PART, snap.bdf(), data));
        } catch (ErrnoException e) {
            // It is gone again, or this driver is going.
            LOG.log(
                    Level.WARNING,
                    "{0}: no part of {1} for {2}: {3}",
                    Mlx5CoreDriver.NAME,
                    parent,
                    snap,
                    e.getMessage());
        }
    }

    @Override
    public void removing(SnapFunction snap, Duration limit) {
        AuxiliaryDevice part = parts.get(snap);
        if (part == null) {
            return;
        }
        try {
            part.bus().delete(part, limit);
        } catch (ErrnoException e) {
            if (e.errno() != ENODEV) {
                throw e;
            }
        }
        parts.remove(snap);
        open(part.data(Mlx5VfioPciDevice.class).function());
    }

    /** Whoever wants the function may have it. */
    private static void open(PciDevice function) {
        if (function.driverOverride().filter(DRIVER::equals).isPresent()) {
            function.bus().setDriverOverride(function, Optional.empty());
        }
    }

    private static PciAddress address(SnapFunction snap) {
        return new PciAddress(snap.domain(), snap.bdf() >>> 8, (snap.bdf() >>> 3) & 0x1f, snap.bdf() & 7);
    }
}
