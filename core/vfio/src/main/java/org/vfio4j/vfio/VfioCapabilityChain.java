package org.vfio4j.vfio;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.vfio4j.sys.Errno.EPROTO;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.Vfio.CapHeader;

/**
 * Capabilities as they lie behind an info structure: each on a boundary of 8 bytes, chained by offsets from the start of the
 * structure ({@code struct vfio_info_cap_header}, linux/vfio.h). Stateless.
 */
public final class VfioCapabilityChain {

    private static final int ALIGNMENT = 8;

    /** More than anybody has; a chain that is longer goes round in circles. */
    private static final int MAX_CAPABILITIES = 64;

    private VfioCapabilityChain() {}

    /** Bytes that a chain takes behind a structure, whose own size is a multiple of 8. */
    public static int sizeBytes(List<VfioInfoCapability> capabilities) {
        int size = 0;
        for (VfioInfoCapability capability : capabilities) {
            size += align(CapHeader.SIZEOF + capability.body().length);
        }
        return size;
    }

    /**
     * Writes a chain.
     *
     * @param structure begins with the structure, and has room for {@link #sizeBytes} more
     * @param from the structure's size: where the first capability goes
     */
    public static void put(List<VfioInfoCapability> capabilities, MemorySegment structure, int from) {
        int at = from;
        for (int i = 0; i < capabilities.size(); i++) {
            VfioInfoCapability capability = capabilities.get(i);
            byte[] body = capability.body();
            int end = at + CapHeader.SIZEOF + body.length;
            int next = at + align(end - at);
            structure.set(JAVA_SHORT_UNALIGNED, at + CapHeader.ID, (short) capability.id());
            structure.set(JAVA_SHORT_UNALIGNED, at + CapHeader.VERSION, (short) capability.version());
            structure.set(JAVA_INT_UNALIGNED, at + CapHeader.NEXT, i + 1 < capabilities.size() ? next : 0);
            MemorySegment.copy(body, 0, structure, JAVA_BYTE, at + CapHeader.SIZEOF, body.length);
            structure.asSlice(end, next - end).fill((byte) 0);
            at = next;
        }
    }

    /**
     * Reads a chain that somebody else has written. A body ends where the next capability begins, or with the structure: it may
     * be longer than what it holds.
     *
     * @param structure all of it, capabilities included
     * @param first offset of the first capability; 0 for none
     * @throws ErrnoException EPROTO when it leaves the structure, goes backwards, or has no end
     */
    public static List<VfioInfoCapability> parse(MemorySegment structure, int first) {
        List<VfioInfoCapability> capabilities = new ArrayList<>();
        long at = Integer.toUnsignedLong(first);
        while (at != 0) {
            if (at > structure.byteSize() - CapHeader.SIZEOF || capabilities.size() == MAX_CAPABILITIES) {
                throw broken(at, structure);
            }
            long next = Integer.toUnsignedLong(structure.get(JAVA_INT_UNALIGNED, at + CapHeader.NEXT));
            long end = next == 0 ? structure.byteSize() : next;
            if (end < at + CapHeader.SIZEOF || end > structure.byteSize()) {
                throw broken(next, structure);
            }
            capabilities.add(new VfioInfoCapability(
                    Short.toUnsignedInt(structure.get(JAVA_SHORT_UNALIGNED, at + CapHeader.ID)),
                    Short.toUnsignedInt(structure.get(JAVA_SHORT_UNALIGNED, at + CapHeader.VERSION)),
                    structure
                            .asSlice(at + CapHeader.SIZEOF, end - at - CapHeader.SIZEOF)
                            .toArray(JAVA_BYTE)));
            at = next;
        }
        return capabilities;
    }

    private static ErrnoException broken(long at, MemorySegment structure) {
        return new ErrnoException(
                EPROTO, "capability at offset " + at + " of an info structure of " + structure.byteSize() + " bytes");
    }

    private static int align(int size) {
        return (size + ALIGNMENT - 1) & -ALIGNMENT;
    }
}
