package org.vfio4j.bus;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;

/**
 * A file that holds a function's configuration space. Its owner makes the calls one after the other, {@link #markStale} apart, which
 * is any thread's.
 */
final class ConfigFile implements AutoCloseable {

    private final PciFunction function;
    private final Fd file;
    private final Mapping image;
    private final AtomicBoolean stale = new AtomicBoolean();

    private ConfigFile(PciFunction function, Fd file) {
        this.function = function;
        this.file = file;
        image = Mapping.anonymous(function.configSize());
    }

    static ConfigFile create(Path path, PciFunction function) throws IOException {
        Files.deleteIfExists(path);
        Files.createFile(path);
        ConfigFile config = new ConfigFile(function, FileIo.open(path, FileIo.O_RDWR));
        config.refresh();
        return config;
    }

    /** The space has changed. Returns whether that is news: false while a {@link #refresh} is owed already. */
    boolean markStale() {
        return !stale.getAndSet(true);
    }

    /** Writes the space as it is now. A failure leaves the file as it was: nobody depends on it. */
    void refresh() {
        // Before it is read: a change that comes meanwhile is another refresh's.
        stale.set(false);
        for (int offset = 0; offset < function.configSize(); offset += Integer.BYTES) {
            RawMemory.putInt(image.address() + offset, function.configPeek(offset, Integer.BYTES));
        }
        long ignored = FileIo.pwrite(file.value(), image.address(), function.configSize(), 0);
    }

    @Override
    public void close() {
        image.close();
        file.close();
    }
}
