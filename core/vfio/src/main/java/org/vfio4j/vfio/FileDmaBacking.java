package org.vfio4j.vfio;

import static org.vfio4j.sys.Errno.EFAULT;

import java.util.Optional;
import org.vfio4j.bus.DmaMemory;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;

/**
 * Memory that is reached by pread and pwrite on its descriptor, because mapping it would be unsafe: when its owner shrinks it,
 * an access fails with an errno, where a mapped page would end the process.
 */
public final class FileDmaBacking implements DmaBacking {

    private final Fd memory;
    private final long fileOffset;

    /**
     * @param memory the memory, owned by this object from now on
     * @param fileOffset where the map begins in it
     */
    public FileDmaBacking(Fd memory, long fileOffset) {
        this.memory = memory;
        this.fileOffset = fileOffset;
    }

    @Override
    public boolean isRemote() {
        return false;
    }

    @Override
    public int read(long offset, long hostAddress, long length) {
        long done = 0;
        while (done < length) {
            long n = FileIo.pread(memory.value(), hostAddress + done, length - done, fileOffset + offset + done);
            if (n <= 0) {
                return n == 0 ? -EFAULT : (int) n;
            }
            done += n;
        }
        return 0;
    }

    @Override
    public int write(long offset, long hostAddress, long length) {
        long done = 0;
        while (done < length) {
            long n = FileIo.pwrite(memory.value(), hostAddress + done, length - done, fileOffset + offset + done);
            if (n <= 0) {
                return n == 0 ? -EFAULT : (int) n;
            }
            done += n;
        }
        return 0;
    }

    @Override
    public Optional<DmaMemory> memory() {
        return Optional.of(new DmaMemory(memory, fileOffset));
    }

    @Override
    public void close() {
        memory.close();
    }
}
