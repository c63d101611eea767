package org.vfio4j.block;

import static org.vfio4j.sys.Errno.EOPNOTSUPP;
import static org.vfio4j.sys.FileIo.FALLOC_FL_KEEP_SIZE;
import static org.vfio4j.sys.FileIo.FALLOC_FL_PUNCH_HOLE;
import static org.vfio4j.sys.FileIo.FALLOC_FL_ZERO_RANGE;

import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.Mapping;

/** How discard and write zeroes are said to a file: fallocate(2), and plain writes where the file system cannot. */
final class FileZeroes {

    static final int DISCARD = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

    private static final int ZERO = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
    /** How much a write of zeroes writes at a time, so that others have their turn. */
    static final int CHUNK_BYTES = 1 << 16;

    private FileZeroes() {}

    /** The fallocate mode that makes zeroes. */
    static int mode(boolean mayUnmap) {
        return mayUnmap ? DISCARD : ZERO;
    }

    /** What a discard completes with: it is advice, so a file system that does not take it is no failure. */
    static int discarded(int result) {
        return result == -EOPNOTSUPP ? 0 : result;
    }

    /** Writes zeroes the long way: 0 or a negative errno. */
    static int write(Fd file, long offset, long length) {
        try (Mapping zeroes = Mapping.anonymous(CHUNK_BYTES)) {
            long done = 0;
            while (done < length) {
                long piece = Math.min(CHUNK_BYTES, length - done);
                long written = FileIo.pwrite(file.value(), zeroes.address(), piece, offset + done);
                if (written < 0) {
                    return (int) written;
                }
                done += written;
            }
            return 0;
        }
    }
}
