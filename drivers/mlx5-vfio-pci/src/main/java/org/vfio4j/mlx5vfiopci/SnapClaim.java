package org.vfio4j.mlx5vfiopci;

import static org.vfio4j.sys.Errno.ENODEV;

import java.util.Optional;
import java.util.function.Predicate;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.mlx5core.Mlx5VfioPciDevice;
import org.vfio4j.sys.ErrnoException;

/**
 * What the auxiliary driver leaves at its device: while it is open the PCI driver may have the function. Safe for all threads.
 *
 * @param part what the auxiliary device is about
 */
record SnapClaim(Mlx5VfioPciDevice part, Gate gate) {

    /** Open until the auxiliary device begins to go. */
    static final class Gate {
        private volatile boolean open = true;

        void set(boolean isOpen) {
            open = isOpen;
        }
    }

    SnapClaim(Mlx5VfioPciDevice part) {
        this(part, new Gate());
    }

    /**
     * What the auxiliary device of an emulated function says of it.
     *
     * @throws ErrnoException ENODEV when there is none that this module's auxiliary driver has
     */
    static Mlx5VfioPciDevice of(PciDevice function) {
        return find(function, claim -> claim.gate.open);
    }

    /**
     * The same for a physical function that this module's driver has: also while its auxiliary device is about to go, because
     * virtual functions that gave their driver up for that get it back when a user stays.
     */
    static Mlx5VfioPciDevice ofPhysical(PciDevice physical) {
        return find(physical, claim -> true);
    }

    private static Mlx5VfioPciDevice find(PciDevice function, Predicate<SnapClaim> holds) {
        return function.bus().auxiliary().devices().stream()
                .map(device -> device.findDriverData(SnapClaim.class))
                .flatMap(Optional::stream)
                .filter(claim -> claim.part.function() == function && holds.test(claim))
                .findFirst()
                .map(SnapClaim::part)
                .orElseThrow(() -> new ErrnoException(
                        ENODEV,
                        Mlx5VfioPciDriver.NAME + ": " + function + " has no auxiliary device with this driver"));
    }
}
