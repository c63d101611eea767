package org.vfio4j.cli.change;

import org.vfio4j.cli.state.FunctionChoice;
import org.vfio4j.cli.state.ServerQuery;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;

/** Which function a command means that is about those which a DPU emulates. */
final class SnapChoice {

    private SnapChoice() {}

    static ServerQuery.Found one(FunctionChoice choice, String command) {
        ServerQuery.Found found = choice.one(command);
        if (found.function().emulatedBy().isEmpty()) {
            throw new CliException(
                    ExitCode.UNSUPPORTED,
                    found.function().address() + ": no DPU emulates it, it is a "
                            + found.function().kind() + " of its own",
                    "vfio snap list");
        }
        return found;
    }
}
