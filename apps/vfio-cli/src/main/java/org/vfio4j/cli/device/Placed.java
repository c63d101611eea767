package org.vfio4j.cli.device;

import java.nio.file.Path;
import java.util.Optional;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciFunction;

/** One of the functions that a {@link DevicePlan} is made of, and its place. */
public sealed interface Placed {

    PciAddress address();

    /** Releases what it stands on, when it cannot be plugged in. */
    void close();

    /** A bridge: plugged in before what is behind it, and never bound. */
    record Bridge(PciAddress address, PciFunction function) implements Placed {
        @Override
        public void close() {}
    }

    /**
     * A function.
     *
     * @param device closed with the machine
     * @param use who is to have it
     * @param socket where it is served; empty when its place is told otherwise, or nowhere
     */
    record Function(PciAddress address, EmulatedDevice device, Use use, Optional<Path> socket) implements Placed {
        @Override
        public void close() {
            device.close();
        }
    }

    /** Who is to have a function. */
    enum Use {
        /** A VFIO driver: the one that is wanted, or that knows it best. */
        VFIO,
        /** Whichever driver takes it by itself, as the driver of a DPU does. */
        NATIVE
    }
}
