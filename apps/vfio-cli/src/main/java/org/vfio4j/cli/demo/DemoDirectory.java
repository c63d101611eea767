package org.vfio4j.cli.demo;

import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.cli.text.Sizes;
import org.vfio4j.sys.ErrnoException;

/** Where the demonstration has its files: below TMPDIR, as other programs have theirs. */
final class DemoDirectory {

    /** Beside the disk: what processes print, and their sockets. */
    private static final long OTHER_BYTES = 4L << 20;

    private static final long NEEDED_BYTES = DemoServer.DISK_BYTES + OTHER_BYTES;

    /** A file of the disk's size that has grown is no reason to complain. */
    private static final long LEFT_BYTES = 1L << 20;

    private static final String ELSEWHERE = "TMPDIR=DIRECTORY vfio demo, with a directory that has room: df -h";

    private DemoDirectory() {}

    /** @throws CliException when there is none to be had, or when its file system has no room for the disk */
    static Path make() {
        Path parent = Path.of(Optional.ofNullable(System.getenv("TMPDIR"))
                .filter(name -> !name.isEmpty())
                .orElse(System.getProperty("java.io.tmpdir")));
        try {
            checkRoom(parent, NEEDED_BYTES);
            return Files.createTempDirectory(parent.toAbsolutePath(), "vfio4j-demo");
        } catch (IOException e) {
            throw new CliException(ErrnoException.of(e, "make a directory in " + parent), ELSEWHERE);
        }
    }

    /**
     * What a failure comes of, if it is that others have filled the file system meanwhile; otherwise the failure.
     *
     * @param failure an IOException or a RuntimeException
     */
    static RuntimeException explain(Exception failure, Path directory) {
        try {
            checkRoom(directory, LEFT_BYTES);
        } catch (CliException full) {
            full.addSuppressed(failure);
            return full;
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
        return failure instanceof IOException e
                ? new CliException(ErrnoException.of(e, "write below " + directory), ELSEWHERE)
                : (RuntimeException) failure;
    }

    private static void checkRoom(Path directory, long bytes) throws IOException {
        FileStore store = Files.getFileStore(directory);
        long left = store.getUsableSpace();
        if (left < bytes) {
            throw new CliException(
                    ExitCode.FAILED,
                    "the file system of " + directory + ", " + store + ", has " + Sizes.format(left)
                            + " left: a disk of " + Sizes.format(DemoServer.DISK_BYTES) + " and "
                            + Sizes.format(OTHER_BYTES) + " of other files go there",
                    ELSEWHERE);
        }
    }
}
