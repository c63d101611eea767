package org.vfio4j.cli.host;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.vfiolinux.HostFunction;
import org.vfio4j.vfiolinux.HostPci;

/** Changes functions of the machine one after the other, up to the first that fails. Stateless. */
final class HostChange {

    private HostChange() {}

    /**
     * Changes functions, and prints what they are afterwards.
     *
     * @param change one function; returns it as it is then
     * @param line what to say of it
     */
    static void each(
            HostPci host,
            List<PciAddress> addresses,
            Function<PciAddress, HostFunction> change,
            OutputOption output,
            Function<HostEntry, String> line) {
        List<HostEntry> entries = new ArrayList<>();
        try {
            for (PciAddress address : addresses) {
                entries.add(HostEntry.of(host, change.apply(address)));
            }
        } finally {
            // Also of those before one that fails: they have another driver now.
            output.print(
                    "HostFunction",
                    entries,
                    () -> entries.forEach(entry -> output.out().println(line.apply(entry))));
        }
    }
}
