package org.vfio4j.cli.machine;

import java.nio.file.Path;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.device.Emulation;

/**
 * Who keeps what a {@link Machine}'s functions are, for another process to have the same ones. One thread while the machine is built; then any,
 * one at a time for each function.
 */
public interface FunctionKeeping {

    /** Nobody does. */
    FunctionKeeping NONE = new FunctionKeeping() {

        @Override
        public Endpoint endpoint(MachineFunction function, Path path) {
            return new Endpoint.AtPath(path);
        }

        @Override
        public void emulated(MachineFunction function, Emulation how) {}

        @Override
        public void checkDeletable(MachineFunction function) {}

        @Override
        public void deleted(MachineFunction function) {}

        @Override
        public int numVfs(PciAddress physical, int planned) {
            return planned;
        }

        @Override
        public void setNumVfs(PciAddress physical, int count) {}
    };

    /** Where a function is served that is to be served at a path. */
    Endpoint endpoint(MachineFunction function, Path path);

    /** A DPU emulates a function more; it is not served yet. */
    void emulated(MachineFunction function, Emulation how);

    /** @throws org.vfio4j.sys.ErrnoException EOPNOTSUPP for a function that another process would have nevertheless */
    void checkDeletable(MachineFunction function);

    /** A function that a DPU emulated is gone, and what it stood on is closed. */
    void deleted(MachineFunction function);

    /**
     * How many virtual functions are on from the start.
     *
     * @param planned what the machine's description says
     */
    int numVfs(PciAddress physical, int planned);

    /** So many virtual functions are on now; those that have come are not served yet. */
    void setNumVfs(PciAddress physical, int count);
}
