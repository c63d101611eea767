package org.vfio4j.devicemodel;

import java.util.List;
import java.util.function.IntFunction;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;

/**
 * The virtual functions that a physical one can have (PCI Express Base 6.0, 9). Each is made when it is turned on for the first
 * time, and is reset when it is turned off; a reset of the physical function, after which whoever drives it turns them on again,
 * leaves them alone. What they stand on is their maker's to close.
 *
 * @param total how many there can be, 1 to 65535
 * @param deviceId of each; the vendor id is the physical function's
 * @param firstOffset distance of the first from the physical function in routing ids, 1 or more
 * @param stride distance of one from the next, 1 or more where there is more than one
 * @param bars of each: memory of whole pages
 * @param factory makes number {@code i}, built with {@link EmulatedFunctionBuilder#virtualFunction} and these BARs
 */
public record VirtualFunctions(
        int total,
        int deviceId,
        int firstOffset,
        int stride,
        List<PciBar> bars,
        IntFunction<? extends PciFunction> factory) {

    private static final int LAST = 0xffff;
    private static final int PAGE_BYTES = 4096;

    public VirtualFunctions {
        bars = List.copyOf(bars);
        check("virtual functions", total, 1);
        check("offset of the first virtual function", firstOffset, 1);
        check("stride of virtual functions", stride, total == 1 ? 0 : 1);
        for (PciBar bar : bars) {
            if (bar.kind() == PciBar.Kind.IO || bar.sizeBytes() < PAGE_BYTES) {
                throw new IllegalArgumentException("BAR " + bar.index() + " of virtual functions: memory of "
                        + PAGE_BYTES + " bytes is the least");
            }
        }
    }

    private static void check(String what, int value, int least) {
        if (value < least || value > LAST) {
            throw new IllegalArgumentException(what + " " + value + ": " + least + " to " + LAST + " are possible");
        }
    }
}
