package org.vfio4j.vfiouser;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileStat;

/** The descriptors that a server has handed to its client, which are good until the client is closed. Its thread's. */
final class ClientDescriptors implements AutoCloseable {

    private final List<Fd> kept = new ArrayList<>();
    private final Map<Integer, Fd> memory = new HashMap<>();

    /** Takes a descriptor over. */
    Fd keep(Fd fd) {
        kept.add(fd);
        return fd;
    }

    /**
     * Takes over a descriptor of a region's memory. Each answer about a region has one; of the same memory the first is kept, so
     * that asking often costs nothing.
     */
    Fd keepMemory(int region, Fd fd) {
        Fd known = memory.get(region);
        if (known != null && FileStat.of(known).isSameFile(FileStat.of(fd))) {
            fd.close();
            return known;
        }
        memory.put(region, fd);
        return keep(fd);
    }

    @Override
    public void close() {
        kept.forEach(Fd::close);
        kept.clear();
        memory.clear();
    }
}
