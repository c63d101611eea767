package org.vfio4j.cli.device;

import java.util.List;
import java.util.Optional;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.devicemodel.SriovRole;
import org.vfio4j.mlx5.SnapFunction;

/** A device whose settings have been checked. */
public interface DevicePlan {

    /**
     * Makes the device, with what it stands on. The caller closes it.
     *
     * @param address where it will be, for the names of its threads and its log lines
     * @throws CliException with advice, when what it stands on cannot be opened
     */
    EmulatedDevice open(PciAddress address);

    /**
     * The same for a function that has to do with SR-IOV. Only for one that {@linkplain #virtualizes has} virtual functions.
     *
     * @param role with which functions, if they are its virtual ones, it does not close
     */
    default EmulatedDevice open(PciAddress address, SriovRole role) {
        throw new IllegalStateException("no virtual functions of this kind");
    }

    /** Whether there are virtual functions of this kind. */
    default boolean virtualizes() {
        return false;
    }

    /**
     * Everything that the device consists of, in the order in which it is plugged in: bridges before what is behind them. One
     * function, unless the device is more, such as a DPU. The caller closes it.
     *
     * @param address where it will be, or the first of it
     * @param bus where it will be
     */
    default List<Placed> openAll(PciAddress address, PciBus bus) {
        return List.of(new Placed.Function(address, open(address), Placed.Use.VFIO, Optional.empty()));
    }

    /**
     * Where its functions are when the first is at {@code address}.
     *
     * @throws CliException when that is no place for all of them
     */
    default List<PciAddress> places(PciAddress address) {
        return List.of(address);
    }

    /** Whether it has no socket of its own: its functions say themselves where they are served, or are not VFIO's. */
    default boolean namesItsSockets() {
        return false;
    }

    /** The driver that it gets when no other is wanted; empty for the one that knows it best. */
    default Optional<String> driver() {
        return Optional.empty();
    }

    /** Whether its functions emulate others. */
    default boolean emulates() {
        return false;
    }

    /** What it is when a DPU emulates it; empty for what none emulates. */
    default Optional<SnapFunction.Protocol> snapProtocol() {
        return Optional.empty();
    }
}
