package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EEXIST;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;

/** The directory of a {@link SysfsView}: whose it is, and what is the view's own in it. Belongs to its view. */
final class ViewDirectory implements AutoCloseable {

    /** Marks a directory as a view's, so that nobody else's files are ever deleted. Locked while the view is kept. */
    private static final String MARK = ".vfio4j-view";

    private static final String TOP = "sys";
    private static final List<String> LINKS = List.of("devices", "drivers");

    private final Path path;
    private final SysfsPaths paths;
    private final Fd lock;

    private ViewDirectory(Path path, Fd lock) {
        this.path = path;
        this.lock = lock;
        paths = new SysfsPaths(path.resolve(TOP));
    }

    /**
     * Takes a directory, and leaves nothing of a dead view's in it.
     *
     * @throws ErrnoException as {@link SysfsView#open} has them
     */
    static ViewDirectory claim(Path path) {
        ViewDirectory directory = new ViewDirectory(path, lock(path));
        try {
            directory.clear();
            for (String bus : SysfsPaths.BUSES) {
                Files.createDirectories(directory.paths.devices(bus));
                Files.createDirectories(directory.paths.drivers(bus));
            }
            SysfsFiles.link(path.resolve("devices"), directory.paths.devices(SysfsPaths.PCI));
            SysfsFiles.link(path.resolve("drivers"), directory.paths.drivers(SysfsPaths.PCI));
            return directory;
        } catch (IOException e) {
            directory.lock.close();
            throw ErrnoException.of(e, "sysfs view " + path);
        }
    }

    private static Fd lock(Path path) {
        Path mark = path.resolve(MARK);
        try {
            Files.createDirectories(path);
            if (!Files.exists(mark)) {
                checkFree(path);
                Files.createFile(mark);
            }
        } catch (IOException e) {
            throw ErrnoException.of(e, "sysfs view " + path);
        }
        Fd lock = FileIo.open(mark, FileIo.O_RDWR);
        if (FileIo.flock(lock, FileIo.LOCK_EX | FileIo.LOCK_NB) != 0) {
            lock.close();
            throw new ErrnoException(EBUSY, "sysfs view " + path + ", which another process keeps");
        }
        return lock;
    }

    private static void checkFree(Path path) {
        for (String name : List.of("devices", "drivers", TOP)) {
            if (Files.exists(path.resolve(name), LinkOption.NOFOLLOW_LINKS)) {
                throw new ErrnoException(EEXIST, "sysfs view " + path + ": its " + name + " is none of a view's");
            }
        }
    }

    Path path() {
        return path;
    }

    SysfsPaths paths() {
        return paths;
    }

    /** Deletes what is the view's own; the directory too when it is empty then. */
    @Override
    public void close() {
        try {
            clear();
            Files.deleteIfExists(path.resolve(MARK));
            Files.deleteIfExists(path);
        } catch (IOException e) {
            System.getLogger(SysfsView.class.getName())
                    .log(System.Logger.Level.DEBUG, "sysfs view {0} stays: {1}", path, e.toString());
        }
        lock.close();
    }

    @Override
    public String toString() {
        return path.toString();
    }

    private void clear() throws IOException {
        // Directories, when a view of an older version left them.
        for (String name : LINKS) {
            SysfsFiles.deleteTree(path.resolve(name));
        }
        SysfsFiles.deleteTree(paths.top());
    }
}
