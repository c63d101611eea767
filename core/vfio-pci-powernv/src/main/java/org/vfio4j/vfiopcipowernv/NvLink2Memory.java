package org.vfio4j.vfiopcipowernv;

import static org.vfio4j.sys.Errno.EINVAL;

import java.lang.foreign.MemorySegment;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioRegionMemory;

/** Memory of the machine's that belongs to NVLink2. The function's user's thread calls. */
public interface NvLink2Memory {

    /** No memory. */
    NvLink2Memory NONE = new NvLink2Memory() {

        @Override
        public long sizeBytes() {
            return 0;
        }

        @Override
        public void read(long offset, MemorySegment buffer, long at, int count) {
            throw new ErrnoException(EINVAL, "read of NVLink2 memory that is not there");
        }

        @Override
        public void write(long offset, MemorySegment buffer, long at, int count) {
            throw new ErrnoException(EINVAL, "write of NVLink2 memory that is not there");
        }
    };

    long sizeBytes();

    /** Copies {@code count} bytes, which lie inside, into {@code buffer} from byte {@code at} on. */
    void read(long offset, MemorySegment buffer, long at, int count);

    /** Copies {@code count} bytes of {@code buffer}, from byte {@code at} on; otherwise as {@link #read}. */
    void write(long offset, MemorySegment buffer, long at, int count);

    /** A descriptor for users to map; empty when every access has to be a call. It stays the platform's. */
    default Optional<VfioRegionMemory> memory() {
        return Optional.empty();
    }
}
