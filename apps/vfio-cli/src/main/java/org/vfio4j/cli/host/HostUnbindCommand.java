package org.vfio4j.cli.host;

import java.util.List;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfiolinux.HostFunction;
import org.vfio4j.vfiolinux.HostPci;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Gives functions of the machine back to the kernel. */
@Command(
        name = "unbind",
        description = "Takes functions of this machine from vfio-pci, and gives them back to the kernel's own drivers.",
        mixinStandardHelpOptions = true,
        footer = {"", "Example:", "  vfio host unbind 0000:01:00.0"})
final class HostUnbindCommand implements Runnable {

    @Parameters(paramLabel = "ADDR", arity = "1..*", description = "Their addresses, as 0000:01:00.0.")
    private List<String> addresses = List.of();

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        HostPci host = HostPci.ofThisMachine();
        List<PciAddress> all = addresses.stream().map(HostAddress::parse).toList();
        HostChange.each(host, all, address -> unbind(host, address), output, HostUnbindCommand::line);
    }

    private static HostFunction unbind(HostPci host, PciAddress address) {
        try {
            return host.unbind(address);
        } catch (ErrnoException e) {
            throw new CliException(e, HostAdvice.change("vfio host unbind", address.toString(), e, true));
        }
    }

    private static String line(HostEntry entry) {
        return entry.address()
                + (entry.driver().isEmpty() ? " has no driver now" : " is " + entry.driver() + "'s again");
    }
}
