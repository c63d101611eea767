package org.vfio4j.cli.socket;

import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileStat;

/** Where the listening sockets are that a command line names by numbers. One thread, while the machine is built. */
public interface InheritedSockets {

    /** Among this process's descriptors, where its parent has put them. */
    InheritedSockets OWN = (function, number) -> own(number);

    /**
     * The socket at which a function is to be served, the caller's from now on.
     *
     * @param function its place on the bus
     * @param number what the command line says
     * @throws CliException when there is none
     */
    Fd take(String function, int number);

    private static Fd own(int number) {
        String hint = "a socket that listens, as systemd or 'socat' would pass it";
        if (number < 3) {
            throw CliException.usage("--fd " + number + ": an inherited descriptor is 3 or more", hint);
        }
        Fd fd = Fd.own(number);
        try {
            if (FileStat.of(fd).isSocket()) {
                return fd;
            }
        } catch (ErrnoException e) {
            throw new CliException(ExitCode.NOT_FOUND, "--fd " + number + ": " + e.getMessage(), hint);
        }
        throw CliException.usage("--fd " + number + " is no socket", hint);
    }
}
