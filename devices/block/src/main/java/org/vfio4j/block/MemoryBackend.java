package org.vfio4j.block;

import static org.vfio4j.sys.Errno.EINVAL;

import java.nio.file.Path;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.FileStat;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MemFd;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.sys.Seals;

/** Storage in this process's memory, zeroes at first. It takes memory only where it was written, and gives back what is discarded. */
public final class MemoryBackend implements BlockBackend {

    private final Mapping memory;
    private final Fd shared;

    private MemoryBackend(Mapping memory, Fd shared) {
        this.memory = memory;
        this.shared = shared;
    }

    /**
     * Memory that is this process's alone.
     *
     * @param sizeBytes a multiple of {@link #SECTOR_BYTES}, greater than 0
     * @throws ErrnoException EINVAL for another size, ENOMEM
     */
    public MemoryBackend(long sizeBytes) {
        this(Mapping.anonymous(checkedSize(sizeBytes)), Fd.none());
    }

    /**
     * Memory with a descriptor, by which another process can go on with it: {@link #shareMemory}.
     *
     * @throws ErrnoException as {@link #MemoryBackend(long)}
     */
    public static MemoryBackend shareable(long sizeBytes) {
        return shared(MemFd.create("vfio4j-disk", checkedSize(sizeBytes)), sizeBytes);
    }

    /**
     * Goes on with what another process has shared.
     *
     * @param memory owned by this, also when it throws
     * @throws ErrnoException EINVAL when it is no memfd of {@code sizeBytes} bytes
     */
    public static MemoryBackend shared(Fd memory, long sizeBytes) {
        try {
            Seals.add(memory, Seals.F_SEAL_SHRINK);
            long has = FileStat.of(memory).size();
            if (has != checkedSize(sizeBytes)) {
                throw new ErrnoException(EINVAL, "a memory disk of " + sizeBytes + " bytes in memory of " + has);
            }
            int prot = Mapping.PROT_READ | Mapping.PROT_WRITE;
            return new MemoryBackend(Mapping.shared(memory, 0, sizeBytes, prot), memory);
        } catch (ErrnoException e) {
            memory.close();
            throw e;
        }
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
    public Optional<Fd> shareMemory() {
        return shared.isOpen() ? Optional.of(shared.dup()) : Optional.empty();
    }

    @Override
    public Fd openData(boolean writable) {
        if (!shared.isOpen()) {
            return BlockBackend.super.openData(writable);
        }
        int access = writable ? FileIo.O_RDWR : FileIo.O_RDONLY;
        return FileIo.open(Path.of("/proc/self/fd/" + shared.value()), access);
    }

    @Override
    public void close() {
        memory.close();
        shared.close();
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
