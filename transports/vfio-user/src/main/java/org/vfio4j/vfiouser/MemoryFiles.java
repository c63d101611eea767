package org.vfio4j.vfiouser;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileStat;

/**
 * Descriptors of the memory that a client shares, kept for a server that takes over: one for each file, however many maps there are
 * of it. Memory that is mapped needs none, so this is a favour with limits: a client with memory in very many files cannot be handed
 * over. Belongs to the connection's owner.
 */
final class MemoryFiles implements AutoCloseable {

    /** Files of one client. */
    static final int MAX_FILES = 64;

    private record Key(long dev, long ino, boolean writable) {}

    /** A file that at least one map is of. */
    static final class Kept {

        private final Key key;
        private final Fd fd;
        private int users;

        private Kept(Key key, Fd fd) {
            this.key = key;
            this.fd = fd;
        }

        /** It stays the files'. */
        Fd fd() {
            return fd;
        }
    }

    private final Map<Key, Kept> files = new HashMap<>();

    /**
     * Keeps a file for one more map.
     *
     * @param memory stays the caller's
     * @return empty when there are too many
     */
    Optional<Kept> keep(Fd memory) {
        FileStat stat = FileStat.of(memory);
        Key key = new Key(stat.dev(), stat.ino(), memory.isWritable());
        Kept kept = files.get(key);
        if (kept == null) {
            Optional<Fd> second = duplicate(memory);
            if (second.isEmpty()) {
                return Optional.empty();
            }
            kept = new Kept(key, second.get());
            files.put(key, kept);
        }
        kept.users++;
        return Optional.of(kept);
    }

    /** One map less. */
    void release(Kept kept) {
        kept.users--;
        if (kept.users == 0) {
            files.remove(kept.key);
            close(kept);
        }
    }

    @Override
    public void close() {
        files.values().forEach(MemoryFiles::close);
        files.clear();
    }

    private Optional<Fd> duplicate(Fd memory) {
        if (files.size() == MAX_FILES || !ProcessLimits.keepDescriptor()) {
            return Optional.empty();
        }
        try {
            return Optional.of(memory.dup());
        } catch (ErrnoException e) {
            ProcessLimits.dropDescriptor();
            return Optional.empty();
        }
    }

    private static void close(Kept kept) {
        kept.fd.close();
        ProcessLimits.dropDescriptor();
    }
}
