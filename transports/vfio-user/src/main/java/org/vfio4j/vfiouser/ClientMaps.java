package org.vfio4j.vfiouser;

import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import org.vfio4j.sys.Fd;

/**
 * The maps of a client as it asked for them: what a server that takes over has to map again. Belongs to the connection's owner.
 */
final class ClientMaps implements AutoCloseable {

    /**
     * One map.
     *
     * @param access {@code DmaSpace.READ}, {@code DmaSpace.WRITE} or both
     * @param offset where it begins in its file
     * @param byFileIo whether the client wants its file read and written rather than mapped
     * @param hasFile whether the memory came with a descriptor; otherwise it is reached by messages
     * @param file that descriptor; empty when it was not kept
     */
    record Map(
            long iova,
            long size,
            int access,
            long offset,
            boolean byFileIo,
            boolean hasFile,
            Optional<MemoryFiles.Kept> file) {

        Map withFile(Optional<MemoryFiles.Kept> kept) {
            return new Map(iova, size, access, offset, byFileIo, hasFile, kept);
        }
    }

    private final MemoryFiles files = new MemoryFiles();
    private final TreeMap<Long, Map> maps = new TreeMap<>(Long::compareUnsigned);

    /** Keeps the file of a map that is about to be made. */
    Optional<MemoryFiles.Kept> keep(Fd memory) {
        return files.keep(memory);
    }

    /** The map was not made after all. */
    void forget(Optional<MemoryFiles.Kept> file) {
        file.ifPresent(files::release);
    }

    void add(Map map) {
        maps.put(map.iova(), map);
    }

    void remove(long iova) {
        Map gone = maps.remove(iova);
        if (gone != null) {
            forget(gone.file());
        }
    }

    void removeAll() {
        maps.clear();
        files.close();
    }

    Collection<Map> all() {
        return List.copyOf(maps.values());
    }

    @Override
    public void close() {
        removeAll();
    }
}
