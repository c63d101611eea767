package org.vfio4j.it;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.vfio4j.fuse.FuseMount;
import org.vfio4j.fuse.FuseNode;

/**
 * A file system of this process with one file, which is an image elsewhere: while a test wants that it answers nobody, like one in the
 * network whose server is gone, and then it goes on where it was. The test's thread makes it stall and release.
 */
final class StallingFile implements AutoCloseable {

    private static final String NAME = "disk.img";

    /** No channel: the signal that takes back a request would close it for all others. */
    private final RandomAccessFile image;

    private final FuseMount mount;

    // Guarded by this.
    private boolean stalled;
    private int waiting;

    private StallingFile(Path directory, RandomAccessFile image) {
        this.image = image;
        mount = FuseMount.open(directory, new Root(), "stalling");
    }

    /**
     * Mounts it.
     *
     * @param directory made, and deleted at the end
     */
    static StallingFile of(Path directory, Path image) {
        try {
            return new StallingFile(directory, new RandomAccessFile(image.toFile(), "rw"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    Path path() {
        return mount.directory().resolve(NAME);
    }

    synchronized void stall() {
        stalled = true;
    }

    /** How many of the kernel's requests have no answer. */
    synchronized int waiting() {
        return waiting;
    }

    synchronized void release() {
        stalled = false;
        notifyAll();
    }

    @Override
    public void close() {
        release();
        mount.close();
        try {
            image.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A signal to who asks does not bring an answer any sooner. */
    private synchronized void pass() {
        boolean interrupted = false;
        waiting++;
        while (stalled) {
            try {
                wait();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        waiting--;
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private final class Root implements FuseNode.Directory {

        private final FuseNode file = new Image();

        @Override
        public List<String> names() {
            return List.of(NAME);
        }

        @Override
        public Optional<FuseNode> find(String name) {
            return name.equals(NAME) ? Optional.of(file) : Optional.empty();
        }
    }

    private final class Image implements FuseNode.File {

        @Override
        public int mode() {
            return 0600;
        }

        @Override
        public long sizeBytes() {
            try {
                return image.length();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        @Override
        public FuseNode.Handle open() {
            return new Access();
        }
    }

    private final class Access implements FuseNode.Handle {

        /** Stands still with the whole file system: no other read is answered either. */
        @Override
        public byte[] read(long offset, int length) {
            pass();
            byte[] data = new byte[length];
            synchronized (image) {
                try {
                    image.seek(offset);
                    return Arrays.copyOf(data, Math.max(0, image.read(data)));
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
        }

        @Override
        public int write(long offset, byte[] data) {
            pass();
            synchronized (image) {
                try {
                    image.seek(offset);
                    image.write(data);
                    return data.length;
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
        }
    }
}
