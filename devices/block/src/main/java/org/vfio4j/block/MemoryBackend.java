package org.vfio4j.block;

import static org.vfio4j.sys.Errno.EINVAL;

import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;

/** Storage in this process's memory, zeroes at first. It takes memory only where it was written, and gives back what is discarded. */
public final class MemoryBackend implements BlockBackend {

    private final Mapping memory;

    /**
     * @param sizeBytes a multiple of {@link #SECTOR_BYTES}, greater than 0
     * @throws ErrnoException EINVAL for another size, ENOMEM
     */
    public MemoryBackend(long sizeBytes) {
        memory = Mapping.anonymous(checkedSize(sizeBytes));
    }

    @Override
    public long sizeBytes() {
        return memory.size();
    }

    @Override
    public int physicalBlockBytes() {
        return Mapping.PAGE_BYTES;
    }

    @Override
    public boolean readOnly() {
        return false;
    }

    @Override
    public String describe() {
        return "memory";
    }

    @Override
    public BlockQueue openQueue(int depth) {
        return new Queue(depth);
    }

    @Override
    public void close() {
        memory.close();
    }

    static long checkedSize(long sizeBytes) {
        if (sizeBytes <= 0 || sizeBytes % SECTOR_BYTES != 0) {
            throw new ErrnoException(
                    EINVAL, "size of " + sizeBytes + " bytes, which is no multiple of " + SECTOR_BYTES + " above 0");
        }
        return sizeBytes;
    }

    private final class Queue implements BlockQueue {

        private final Completions completions;
        private final long base = memory.address();
        private final long sizeBytes = memory.size();

        Queue(int depth) {
            completions = new Completions(depth);
        }

        @Override
        public void readv(long offset, long iov, int iovCount, int tag) {
            long length = IoVecs.total(iov, iovCount);
            if (!Range.isLegal(offset, length, sizeBytes)) {
                completions.add(tag, -EINVAL);
                return;
            }
            long from = base + offset;
            for (int i = 0; i < iovCount; i++) {
                long piece = IoVecs.length(iov, i);
                RawMemory.copy(from, IoVecs.base(iov, i), piece);
                from += piece;
            }
            completions.add(tag, (int) length);
        }

        @Override
        public void writev(long offset, long iov, int iovCount, int tag) {
            long length = IoVecs.total(iov, iovCount);
            if (!Range.isLegal(offset, length, sizeBytes)) {
                completions.add(tag, -EINVAL);
                return;
            }
            long to = base + offset;
            for (int i = 0; i < iovCount; i++) {
                long piece = IoVecs.length(iov, i);
                RawMemory.copy(IoVecs.base(iov, i), to, piece);
                to += piece;
            }
            completions.add(tag, (int) length);
        }

        @Override
        public void flush(int tag) {
            completions.add(tag, 0);
        }

        @Override
        public void discard(long offset, long length, int tag) {
            completions.add(tag, clear(offset, length));
        }

        @Override
        public void writeZeroes(long offset, long length, boolean mayUnmap, int tag) {
            completions.add(tag, clear(offset, length));
        }

        @Override
        public void submit() {}

        @Override
        public int poll(BlockCompletion handler) {
            return completions.deliver(handler);
        }

        @Override
        public int inFlight() {
            return completions.size();
        }

        @Override
        public void wakeBy(Fd eventFd) {}

        @Override
        public void arm() {}

        @Override
        public void disarm() {}

        @Override
        public void close() {}

        /** Whole pages are given back, which zeroes them; what is left at the ends is filled. */
        private int clear(long offset, long length) {
            if (!Range.isLegalWithoutData(offset, length, sizeBytes)) {
                return -EINVAL;
            }
            long end = offset + length;
            long firstPage = Math.min(end, offset + Mapping.PAGE_BYTES - 1 & -Mapping.PAGE_BYTES);
            long lastPage = Math.max(firstPage, end & -Mapping.PAGE_BYTES);
            RawMemory.fill(base + offset, firstPage - offset, (byte) 0);
            RawMemory.fill(base + lastPage, end - lastPage, (byte) 0);
            if (firstPage != lastPage && memory.discard(firstPage, lastPage - firstPage) != 0) {
                RawMemory.fill(base + firstPage, lastPage - firstPage, (byte) 0); // pages that are locked
            }
            return 0;
        }
    }
}
