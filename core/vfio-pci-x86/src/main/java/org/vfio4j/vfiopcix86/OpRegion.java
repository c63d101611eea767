package org.vfio4j.vfiopcix86;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.vfio4j.sys.Errno.EINVAL;

import java.lang.foreign.MemorySegment;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfiopcicore.VfioPciRegionOps;

/**
 * The OpRegion of Intel's integrated graphics (IGD OpRegion specification 0.5 on), and behind it the extended video BIOS table
 * that it may point to. The table lies anywhere in memory; a user sees it right behind the OpRegion, and a pointer that says so:
 * relative to the OpRegion, as version 2.1 has it and 2.0 has not, so 2.0 is shown as 2.1.
 *
 * <p>Every read looks at the memory as it is then: the OpRegion holds mailboxes. Used by the user's thread.
 */
final class OpRegion implements VfioPciRegionOps {

    /** Where in configuration space the OpRegion's physical address is (ASLS). */
    static final int BASE_REGISTER = 0xfc;

    private static final byte[] SIGNATURE = "IntelGraphicsMem".getBytes(US_ASCII);
    private static final int SIZE_BYTES = 8 * 1024;
    private static final int SIZE_KIB = 0x10;
    private static final int VERSION = 0x16;
    private static final int RVDA = 0x3ba;
    private static final int RVDS = 0x3c2;
    private static final int VERSION_2_0 = 0x200;
    private static final int VERSION_2_1 = 0x201;

    private final MemorySegment tables;
    private final Optional<MemorySegment> videoBios;
    private final MemorySegment version = MemorySegment.ofArray(new byte[Short.BYTES]);
    private final MemorySegment rvda = MemorySegment.ofArray(new byte[Long.BYTES]);

    private OpRegion(MemorySegment tables, Optional<MemorySegment> videoBios) {
        this.tables = tables;
        this.videoBios = videoBios;
        int found = version(tables);
        int shown = found == VERSION_2_0 && videoBios.isPresent() ? VERSION_2_1 : found;
        version.set(JAVA_SHORT_UNALIGNED, 0, (short) shown);
        rvda.set(JAVA_LONG_UNALIGNED, 0, videoBios.isPresent() ? SIZE_BYTES : 0);
    }

    /**
     * @param base its physical address
     * @throws ErrnoException EINVAL when there is none at {@code base}, and what {@code memory} says
     */
    static OpRegion at(long base, IgdMemory memory) {
        MemorySegment tables = memory.at(base, SIZE_BYTES);
        if (tables.asSlice(0, SIGNATURE.length).mismatch(MemorySegment.ofArray(SIGNATURE)) >= 0) {
            throw new ErrnoException(EINVAL, "OpRegion at 0x" + Long.toHexString(base) + " without its signature");
        }
        long sizeKib = Integer.toUnsignedLong(tables.get(JAVA_INT_UNALIGNED, SIZE_KIB));
        if (sizeKib != SIZE_BYTES / 1024) {
            throw new ErrnoException(
                    EINVAL, "OpRegion at 0x" + Long.toHexString(base) + " of " + sizeKib + " KiB, 8 are needed");
        }
        return new OpRegion(tables, videoBios(base, tables, memory));
    }

    private static Optional<MemorySegment> videoBios(long base, MemorySegment tables, IgdMemory memory) {
        int version = version(tables);
        long address = tables.get(JAVA_LONG_UNALIGNED, RVDA);
        long size = Integer.toUnsignedLong(tables.get(JAVA_INT_UNALIGNED, RVDS));
        if (version < VERSION_2_0 || address == 0 || size == 0) {
            return Optional.empty();
        }
        // Absolute in 2.0, counted from the OpRegion since.
        return Optional.of(memory.at(version == VERSION_2_0 ? address : base + address, size));
    }

    long sizeBytes() {
        return SIZE_BYTES + videoBios.map(MemorySegment::byteSize).orElse(0L);
    }

    @Override
    public void read(long offset, MemorySegment buffer, long at, int count) {
        copy(tables, 0, offset, buffer, at, count);
        copy(version, VERSION, offset, buffer, at, count);
        copy(rvda, RVDA, offset, buffer, at, count);
        videoBios.ifPresent(table -> copy(table, SIZE_BYTES, offset, buffer, at, count));
    }

    @Override
    public void write(long offset, MemorySegment buffer, long at, int count) {
        throw new ErrnoException(EINVAL, "write to the OpRegion");
    }

    /** Copies what of {@code source}, which stands at {@code place} in the region, lies in the range that is read. */
    private static void copy(MemorySegment source, long place, long offset, MemorySegment buffer, long at, int count) {
        long from = Math.max(offset, place);
        long to = Math.min(offset + count, place + source.byteSize());
        if (from < to) {
            MemorySegment.copy(source, JAVA_BYTE, from - place, buffer, JAVA_BYTE, at + from - offset, to - from);
        }
    }

    private static int version(MemorySegment tables) {
        return Short.toUnsignedInt(tables.get(JAVA_SHORT_UNALIGNED, VERSION));
    }
}
