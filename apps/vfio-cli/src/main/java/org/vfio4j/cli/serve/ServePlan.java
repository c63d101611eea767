package org.vfio4j.cli.serve;

import org.vfio4j.cli.config.MachineConfig;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** What {@code vfio serve} is to serve, checked. */
interface ServePlan {

    /** What is said of the whole process beside the command line's options. */
    MachineConfig.Options options();

    /**
     * Opens everything, plugs it in and serves it. What is plugged in belongs to the machine.
     *
     * @throws CliException with advice, when something cannot be opened, bound or served
     */
    void plugInto(Machine machine, VfioUserServerOptions server);
}
