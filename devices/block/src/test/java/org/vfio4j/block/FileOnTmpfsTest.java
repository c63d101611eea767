package org.vfio4j.block;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;

/** tmpfs knows no FALLOC_FL_ZERO_RANGE: zeroes are written. */
class FileOnTmpfsTest extends BlockQueueContract {

    private Path image;

    @Override
    BlockBackend open() throws IOException {
        Path shm = Path.of("/dev/shm");
        assumeTrue(Files.isWritable(shm), "NOT TESTED: no /dev/shm");
        image = Files.write(Files.createTempFile(shm, "vfio4j", ".img"), new byte[SIZE]);
        return FileBackend.open(image, false, FileIoMode.AUTO);
    }

    @AfterEach
    void delete() throws IOException {
        Files.deleteIfExists(image);
    }
}
