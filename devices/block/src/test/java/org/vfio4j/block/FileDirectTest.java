package org.vfio4j.block;

import static org.junit.jupiter.api.Assumptions.abort;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.sys.ErrnoException;

/** A file without the page cache, by io_uring. Most requests here are not aligned, and go through the cache all the same. */
class FileDirectTest extends BlockQueueContract {

    @TempDir
    Path directory;

    @Override
    BlockBackend open() throws Exception {
        Path image = Files.write(directory.resolve("disk.img"), new byte[SIZE]);
        try {
            return FileBackend.open(image, false, FileIoMode.URING, FileCaching.DIRECT);
        } catch (ErrnoException e) {
            return abort("NOT TESTED: " + e.getMessage());
        }
    }
}
