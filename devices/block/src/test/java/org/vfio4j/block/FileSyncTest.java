package org.vfio4j.block;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;

class FileSyncTest extends BlockQueueContract {

    @TempDir
    Path directory;

    @Override
    BlockBackend open() throws Exception {
        Path image = Files.write(directory.resolve("disk.img"), new byte[SIZE]);
        return FileBackend.open(image, false, FileIoMode.SYNC);
    }
}
