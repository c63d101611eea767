package org.vfio4j.bluefield;

import static org.vfio4j.sys.Errno.EINVAL;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileCaching;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.block.NullBackend;
import org.vfio4j.sys.ErrnoException;

/** Where a DPU gets the storage of its scalable functions. */
public interface SfStorage {

    /** Memory of this process, which goes with the function. */
    SfStorage MEMORY = (name, sizeBytes) -> new MemoryBackend(sizeBytes);

    /** Nothing: for measuring. */
    SfStorage NULL = (name, sizeBytes) -> new NullBackend(sizeBytes);

    /**
     * Storage for the function of this name; the caller closes it.
     *
     * @throws ErrnoException what keeps it from being opened or made
     */
    BlockBackend open(String name, long sizeBytes);

    /**
     * Files {@code NAME.img}, which are made when they are not there and stay when the function goes. Who uses a function claims its file, so that
     * another server can have a function of the same name ready, to which it migrates.
     *
     * @param directory is there
     */
    static SfStorage in(Path directory) {
        return (name, sizeBytes) -> {
            Path file = directory.resolve(name + ".img");
            try {
                if (!Files.exists(file)) {
                    try (RandomAccessFile made = new RandomAccessFile(file.toFile(), "rw")) {
                        made.setLength(sizeBytes);
                    }
                }
            } catch (IOException e) {
                throw ErrnoException.of(e, "make " + file);
            }
            FileBackend backend = FileBackend.openUnclaimed(file, false, FileIoMode.AUTO, FileCaching.PAGE_CACHE);
            if (backend.sizeBytes() != sizeBytes) {
                backend.close();
                throw new ErrnoException(
                        EINVAL,
                        file + " of " + backend.sizeBytes() + " bytes for a function of " + sizeBytes + " bytes");
            }
            return backend;
        };
    }
}
