package org.vfio4j.cli.host;

import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.text.CliException;

/** Addresses of functions, as people write them. Stateless. */
public final class HostAddress {

    private HostAddress() {}

    /** @throws CliException for anything else */
    public static PciAddress parse(String text) {
        try {
            return PciAddress.parse(text);
        } catch (IllegalArgumentException e) {
            throw CliException.usage(String.valueOf(e.getMessage()), "vfio host ls");
        }
    }
}
