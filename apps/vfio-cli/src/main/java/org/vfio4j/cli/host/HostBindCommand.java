package org.vfio4j.cli.host;

import java.util.List;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfiolinux.HostFunction;
import org.vfio4j.vfiolinux.HostObstacle;
import org.vfio4j.vfiolinux.HostPci;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Gives functions of the machine to vfio-pci. */
@Command(
        name = "bind",
        description =
                "Gives functions of this machine to the kernel's vfio-pci, until the next boot or vfio host unbind."
                        + " Those that are in use are refused.",
        mixinStandardHelpOptions = true,
        footer = {"", "Example:", "  vfio host bind 0000:01:00.0"})
final class HostBindCommand implements Runnable {

    @Parameters(paramLabel = "ADDR", arity = "1..*", description = "Their addresses, as 0000:01:00.0.")
    private List<String> addresses = List.of();

    @Option(
            names = "--force",
            description = "Also functions that are in use. WHAT USES THEM LOSES THEM: file systems, swap, network.")
    private boolean force;

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        HostPci host = HostPci.ofThisMachine();
        List<PciAddress> all = addresses.stream().map(HostAddress::parse).toList();
        HostChange.each(host, all, address -> bind(host, address), output, HostBindCommand::line);
        // Once all are bound: they may be of one group.
        for (PciAddress address : all) {
            HostFunction function = host.function(address);
            host.obstacle(function).ifPresent(obstacle -> note(host, function, obstacle));
        }
    }

    private HostFunction bind(HostPci host, PciAddress address) {
        try {
            return host.bind(address, force);
        } catch (ErrnoException e) {
            boolean unloaded = e.errno() == Errno.ENODEV && isThere(host, address);
            throw new CliException(e, HostAdvice.change("vfio host bind", address.toString(), e, !unloaded));
        }
    }

    private static boolean isThere(HostPci host, PciAddress address) {
        return host.functions().stream().anyMatch(function -> function.address().equals(address));
    }

    private static String line(HostEntry entry) {
        return entry.address() + " bound to " + entry.driver()
                + (entry.vfioDevice().isEmpty() ? "" : " as " + entry.vfioDevice())
                + (entry.group() < 0 ? "" : ", IOMMU group " + entry.group());
    }

    private void note(HostPci host, HostFunction function, HostObstacle obstacle) {
        output.err().println("note: " + function.address() + " cannot be opened yet: " + obstacle.what());
        output.err().println("try: " + HostAdvice.remove(host, function, obstacle));
    }
}
