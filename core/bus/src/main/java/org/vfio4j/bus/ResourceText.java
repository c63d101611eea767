package org.vfio4j.bus;

import java.util.Arrays;
import java.util.Locale;

/**
 * The attribute {@code resource}: a line for each of the six BARs, the ROM and the six BARs of virtual functions, and of a bridge
 * for each of four windows: I/O space, memory, prefetchable memory, and one that is never used. A line has the first address, the
 * last, and {@code IORESOURCE_*} flags.
 */
final class ResourceText {

    private static final int FUNCTION_LINES = 13;
    private static final int BRIDGE_LINES = 17;
    private static final int MEMORY_WINDOW = 14;
    private static final int PREFETCHABLE_WINDOW = 15;

    private static final long IORESOURCE_IO = 0x100;
    private static final long IORESOURCE_MEM = 0x200;
    private static final long IORESOURCE_PREFETCH = 0x2000;
    private static final long IORESOURCE_SIZEALIGN = 0x4_0000;
    private static final long IORESOURCE_MEM_64 = 0x10_0000;

    private ResourceText() {}

    static String of(PciDevice device) {
        String[] lines = new String[device.bridge().isPresent() ? BRIDGE_LINES : FUNCTION_LINES];
        Arrays.fill(lines, line(0, 0, 0));
        for (PciDevice.Resource resource : device.resources()) {
            lines[resource.bar().index()] = line(resource.start(), resource.end(), flags(resource.bar()));
        }
        device.bridge().map(PciBridge::windows).ifPresent(windows -> {
            lines[MEMORY_WINDOW] = window(windows.mem32(), IORESOURCE_MEM);
            lines[PREFETCHABLE_WINDOW] =
                    window(windows.mem64(), IORESOURCE_MEM | IORESOURCE_MEM_64 | IORESOURCE_PREFETCH | 1);
        });
        return String.join("\n", lines);
    }

    private static String window(AddressWindow window, long flags) {
        return window.isEmpty() ? line(0, 0, 0) : line(window.start(), window.limit() - 1, flags);
    }

    private static String line(long start, long end, long flags) {
        return String.format(Locale.ROOT, "0x%016x 0x%016x 0x%016x", start, end, flags);
    }

    // The BAR's own low bits are part of them.
    private static long flags(PciBar bar) {
        long kind =
                switch (bar.kind()) {
                    case IO -> IORESOURCE_IO;
                    case MEM32 -> IORESOURCE_MEM;
                    case MEM64 -> IORESOURCE_MEM | IORESOURCE_MEM_64;
                };
        return IORESOURCE_SIZEALIGN | kind | (bar.prefetchable() ? IORESOURCE_PREFETCH : 0) | bar.flags();
    }
}
