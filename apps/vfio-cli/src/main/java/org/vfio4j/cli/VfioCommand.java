package org.vfio4j.cli;

import org.vfio4j.cli.text.Version;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** The root: without a command it shows what there is. {@link Main} adds the commands. */
@Command(
        name = "vfio",
        description = "PCI functions in user space: for virtual machines, over vfio-user, and for drivers in Java.",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        footer = {"", "Begin with:", "  vfio demo", "  vfio serve virtio-blk memory=512M --socket-path /tmp/disk.sock"})
final class VfioCommand implements Runnable {

    @Spec
    @SuppressWarnings("NullAway.Init") // by picocli
    private CommandSpec spec;

    @Override
    public void run() {
        spec.commandLine().usage(spec.commandLine().getOut());
    }
}
