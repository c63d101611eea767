package org.vfio4j.bus;

import java.util.List;
import org.vfio4j.sys.Fd;

/**
 * Memory behind parts of a BAR: who maps it accesses the function without anybody's knowledge.
 *
 * @param fd the memory, the function's; good for as long as the function exists
 * @param offset where in the descriptor the BAR's first byte would be, a multiple of the page size
 * @param areas the parts of the BAR that the memory stands for, in ascending order, on page boundaries
 */
public record BarMemory(Fd fd, long offset, List<Area> areas) {

    public BarMemory {
        areas = List.copyOf(areas);
    }

    /**
     * A part of a BAR.
     *
     * @param offset its first byte, counted from the BAR's
     * @param sizeBytes its size
     */
    public record Area(long offset, long sizeBytes) {}
}
