package org.vfio4j.cli.host;

import org.vfio4j.cli.text.CliException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** The machine's own functions. */
@Command(
        name = "host",
        description =
                "Shows this machine's own PCI functions, and gives them to the kernel's vfio-pci for drivers in user space.",
        mixinStandardHelpOptions = true,
        subcommands = {HostLsCommand.class, HostShowCommand.class, HostBindCommand.class, HostUnbindCommand.class},
        footer = {
            "",
            "Examples:",
            "  vfio host ls",
            "  vfio host bind 0000:01:00.0",
            "  vfio host show 0000:01:00.0",
            "  vfio bench nvme --host 0000:01:00.0",
            "  vfio host unbind 0000:01:00.0"
        })
public final class HostCommand implements Runnable {

    @Spec
    @SuppressWarnings("NullAway.Init") // by picocli
    private CommandSpec spec;

    @Override
    public void run() {
        throw CliException.usage("which verb? See vfio host --help", spec.qualifiedName() + " ls");
    }
}
