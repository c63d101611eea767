package org.vfio4j.block;

import static org.vfio4j.sys.Errno.EINVAL;

import org.vfio4j.sys.Fd;

/** Storage that keeps nothing: writes vanish, reads leave the buffer as it is. For measuring everything around the storage. */
public final class NullBackend implements BlockBackend {

    private final long sizeBytes;

    /** @param sizeBytes a multiple of {@link #SECTOR_BYTES}, greater than 0 */
    public NullBackend(long sizeBytes) {
        this.sizeBytes = MemoryBackend.checkedSize(sizeBytes);
    }

    @Override
    public long sizeBytes() {
        return sizeBytes;
    }

    @Override
    public int physicalBlockBytes() {
        return SECTOR_BYTES;
    }

    @Override
    public boolean readOnly() {
        return false;
    }

    @Override
    public String describe() {
        return "null";
    }

    @Override
    public BlockQueue openQueue(int depth) {
        return new Queue(depth);
    }

    @Override
    public void close() {}

    private final class Queue implements BlockQueue {

        private final Completions completions;

        Queue(int depth) {
            completions = new Completions(depth);
        }

        @Override
        public void readv(long offset, long iov, int iovCount, int tag) {
            long length = IoVecs.total(iov, iovCount);
            completions.add(tag, Range.isLegal(offset, length, sizeBytes) ? (int) length : -EINVAL);
        }

        @Override
        public void writev(long offset, long iov, int iovCount, int tag) {
            readv(offset, iov, iovCount, tag);
        }

        @Override
        public void flush(int tag) {
            completions.add(tag, 0);
        }

        @Override
        public void discard(long offset, long length, int tag) {
            completions.add(tag, Range.isLegalWithoutData(offset, length, sizeBytes) ? 0 : -EINVAL);
        }

        @Override
        public void writeZeroes(long offset, long length, boolean mayUnmap, int tag) {
            discard(offset, length, tag);
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
    }
}
