package org.vfio4j.cli.device;

import java.util.List;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;

/**
 * A kind of device that {@code vfio serve} makes. One object of each kind belongs to one command; one more kind is one more class,
 * named in {@link DeviceKinds}.
 */
public interface DeviceKind {

    /** As on the command line: {@code virtio-blk}. */
    String name();

    /** Its settings, for {@code --help}: lines of at most 60 characters. */
    List<String> help();

    /**
     * Checks settings, and opens nothing.
     *
     * @param settings each {@code key=value}, or {@code key} with an empty value
     * @throws CliException with {@link ExitCode#USAGE} for a setting that makes no sense
     */
    DevicePlan plan(List<Setting> settings);
}
