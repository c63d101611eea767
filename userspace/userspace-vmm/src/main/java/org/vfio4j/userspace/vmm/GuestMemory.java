package org.vfio4j.userspace.vmm;

import static org.vfio4j.sys.Errno.E2BIG;
import static org.vfio4j.sys.Errno.EFAULT;
import static org.vfio4j.sys.Errno.EINVAL;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.LongConsumer;
import org.vfio4j.bus.DirtyLog;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MemFd;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.sys.Seals;
import org.vfio4j.userspace.dma.DmaMemory;
import org.vfio4j.vfio.VfioDeviceFile;

/**
 * A guest's memory: ranges of addresses that its devices see, all of them zero at first. Any thread may use it; what is in it belongs
 * to the guest, and to the device.
 *
 * <p>The guest tells what it has written, after it has written it ({@link #written}); what the device writes is in the device's log.
 */
public final class GuestMemory implements AutoCloseable {

    /** What address and size of a range are multiples of. */
    public static final long ALIGNMENT = DmaMemory.ALIGNMENT;

    /** The unit in which memory is moved. */
    public static final int PAGE_BYTES = 4096;

    /** As many as a log of a device's writes takes. */
    static final int MAX_RANGES = 64;

    /** What a log of the guest's writes has room for, with a margin. */
    static final long MAX_BYTES = 1L << 40;

    /**
     * A piece of guest-physical memory.
     *
     * @param iova where a device sees it
     */
    public record Range(long iova, long sizeBytes) {

        /** @throws ErrnoException EINVAL for one that is empty, not aligned, or goes past the end of the addresses */
        public Range {
            boolean whole = ((iova | sizeBytes) & (ALIGNMENT - 1)) == 0;
            if (iova < 0 || sizeBytes <= 0 || sizeBytes > Long.MAX_VALUE - iova || !whole) {
                throw new ErrnoException(
                        EINVAL,
                        "guest memory at 0x" + Long.toHexString(iova) + " of " + sizeBytes + " bytes: multiples of "
                                + ALIGNMENT + " are needed");
            }
        }

        /** The first address behind it. */
        long end() {
            return iova + sizeBytes;
        }
    }

    private record Piece(Range range, Fd fd, Mapping mapping) {}

    private final List<Piece> pieces = new ArrayList<>();
    private final DirtyLog log = new DirtyLog(PAGE_BYTES);

    private GuestMemory() {}

    /**
     * Makes memory that is all zero.
     *
     * @throws ErrnoException EINVAL for ranges that overlap, E2BIG for too many or too much, ENOMEM
     */
    public static GuestMemory create(List<Range> ranges) {
        check(ranges);
        GuestMemory memory = new GuestMemory();
        try {
            ranges.forEach(memory::add);
            return memory;
        } catch (RuntimeException e) {
            memory.close();
            throw e;
        }
    }

    static void check(List<Range> ranges) {
        if (ranges.isEmpty() || ranges.size() > MAX_RANGES) {
            throw new ErrnoException(
                    E2BIG, ranges.size() + " ranges of guest memory: the limits are 1 and " + MAX_RANGES);
        }
        List<Range> sorted =
                ranges.stream().sorted(Comparator.comparingLong(Range::iova)).toList();
        long total = sorted.getFirst().sizeBytes();
        for (int i = 1; i < sorted.size(); i++) {
            if (sorted.get(i).iova() < sorted.get(i - 1).end()) {
                throw new ErrnoException(
                        EINVAL, "guest memory: " + sorted.get(i - 1) + " and " + sorted.get(i) + " overlap");
            }
            // Each is less than 2^63 and the check below keeps the sum far from it.
            total = Math.min(total, MAX_BYTES) + Math.min(sorted.get(i).sizeBytes(), MAX_BYTES);
        }
        if (total > MAX_BYTES) {
            throw new ErrnoException(E2BIG, "guest memory of " + total + " bytes: the limit is " + MAX_BYTES);
        }
    }

    private void add(Range range) {
        Fd fd = MemFd.create("vfio4j-guest", range.sizeBytes());
        try {
            Seals.add(fd, Seals.F_SEAL_SHRINK | Seals.F_SEAL_GROW | Seals.F_SEAL_SEAL);
            Mapping mapping = Mapping.shared(fd, 0, range.sizeBytes(), Mapping.PROT_READ | Mapping.PROT_WRITE);
            pieces.add(new Piece(range, fd, mapping));
        } catch (RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    public List<Range> ranges() {
        return pieces.stream().map(Piece::range).toList();
    }

    public long sizeBytes() {
        return pieces.stream().mapToLong(piece -> piece.range().sizeBytes()).sum();
    }

    /** Maps all of it for a device. */
    public void mapFor(VfioDeviceFile device) {
        for (Piece piece : pieces) {
            Range range = piece.range();
            device.dmaMap(range.iova(), range.sizeBytes(), DmaSpace.READ | DmaSpace.WRITE, piece.fd(), 0);
        }
    }

    /** Takes all of it from a device. */
    public void unmapFrom(VfioDeviceFile device) {
        pieces.forEach(
                piece -> device.dmaUnmap(piece.range().iova(), piece.range().sizeBytes()));
    }

    /** One of the ranges, for a driver to hand out from its beginning. */
    public DmaMemory dma(int index) {
        Piece piece = pieces.get(index);
        return DmaMemory.of(piece.range().iova(), piece.mapping().segment());
    }

    /** The guest has written this. */
    public void written(long iova, long length) {
        log.mark(iova, length);
    }

    /** Names each page that was {@link #written} since the last time. One thread at a time. */
    void takeWritten(LongConsumer page) {
        for (Piece piece : pieces) {
            log.readAndClear(piece.range().iova(), piece.range().end() - 1, page);
        }
    }

    /**
     * A view of a piece of a range.
     *
     * @throws ErrnoException EFAULT when it is not in one
     */
    MemorySegment segment(long iova, long length) {
        for (Piece piece : pieces) {
            Range range = piece.range();
            if (iova >= range.iova() && iova < range.end() && length >= 0 && length <= range.end() - iova) {
                // SAFETY: inside the mapping, which its owner closes when nobody uses it any more.
                return RawMemory.segment(piece.mapping().address() + (iova - range.iova()), length);
            }
        }
        throw new ErrnoException(
                EFAULT, length + " bytes at 0x" + Long.toHexString(iova) + ": the guest has no such memory");
    }

    /**
     * Takes memory for a piece of a range that is about to be written, at once: that costs half of what it costs to take it page by page.
     * It is no harm when the system does not know how.
     */
    void populate(long iova, long length) {
        for (Piece piece : pieces) {
            Range range = piece.range();
            if (iova >= range.iova() && iova < range.end() && length <= range.end() - iova) {
                long offset = iova - range.iova();
                FileIo.fallocate(piece.fd().value(), 0, offset, length);
                piece.mapping().populate(offset, length);
            }
        }
    }

    /** Nobody uses it any more, and no device has it. */
    @Override
    public void close() {
        pieces.forEach(piece -> {
            piece.mapping().close();
            piece.fd().close();
        });
        pieces.clear();
    }
}
