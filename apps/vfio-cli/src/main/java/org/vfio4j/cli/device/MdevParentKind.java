package org.vfio4j.cli.device;

import java.util.List;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.mdevcore.MdevBus;
import org.vfio4j.mdevcore.MdevDriver;

/** A kind of parent of mdevs that {@code vfio serve} makes; one more kind is one more class, named in {@link MdevParentKinds}. */
public interface MdevParentKind {

    /** As on the command line: {@code mtty}. */
    String name();

    /** Its settings, for {@code --help}: lines of at most 60 characters. */
    List<String> help();

    /**
     * Checks settings, and makes nothing.
     *
     * @throws CliException with {@link ExitCode#USAGE} for a setting that makes no sense
     */
    Plan plan(List<Setting> settings);

    /** A parent whose settings have been checked. */
    interface Plan {

        /**
         * Makes the parent and registers it.
         *
         * @param driver gets its devices
         * @return takes it away, with all that is made of it, whose users have let go, and then closes what it stands on
         */
        AutoCloseable register(MdevBus bus, MdevDriver driver);
    }
}
