package org.vfio4j.bus;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where a function sits: domain, bus, device, function; printed as Linux does, {@code 0000:08:00.0}.
 *
 * @param domain 0 to 0xffff
 * @param bus 0 to 0xff
 * @param device 0 to 0x1f
 * @param function 0 to 7
 */
public record PciAddress(int domain, int bus, int device, int function) implements Comparable<PciAddress> {

    private static final Pattern SYNTAX =
            Pattern.compile("(?:([0-9a-fA-F]{1,4}):)?([0-9a-fA-F]{1,2}):([0-9a-fA-F]{1,2})\\.([0-7])");

    public PciAddress {
        check("domain", domain, 0xffff);
        check("bus", bus, 0xff);
        check("device", device, 0x1f);
        check("function", function, 7);
    }

    /**
     * Parses {@code [domain:]bus:device.function}, all hexadecimal.
     *
     * @throws IllegalArgumentException for anything else
     */
    public static PciAddress parse(String text) {
        Matcher m = SYNTAX.matcher(text);
        if (!m.matches()) {
            throw new IllegalArgumentException(
                    "PCI address '" + text + "': expected [domain:]bus:device.function, as 0000:08:00.0");
        }
        int domain = m.group(1) == null ? 0 : Integer.parseInt(m.group(1), 16);
        return new PciAddress(
                domain,
                Integer.parseInt(m.group(2), 16),
                Integer.parseInt(m.group(3), 16),
                Integer.parseInt(m.group(4), 16));
    }

    /** Bus, device and function in 16 bits, as PCI Express's routing id has them: 0x0800 for 08:00.0. */
    public int routingId() {
        return (bus << 8) | (device << 3) | function;
    }

    @Override
    public int compareTo(PciAddress other) {
        return Integer.compare(sortKey(), other.sortKey());
    }

    @Override
    public String toString() {
        return String.format("%04x:%02x:%02x.%d", domain, bus, device, function);
    }

    // Positive for every legal address but the upper half of the domains, hence the unsigned flip.
    private int sortKey() {
        return (domain << 16 | bus << 8 | device << 3 | function) ^ Integer.MIN_VALUE;
    }

    private static void check(String what, int value, int limit) {
        if (value < 0 || value > limit) {
            throw new IllegalArgumentException("PCI " + what + " " + value + ": the limit is " + limit);
        }
    }
}
