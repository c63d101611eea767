package org.vfio4j.fuse;

import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.sys.Errno.ESTALE;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;

/**
 * The numbers by which the kernel knows paths, for as long as it does. A path is walked anew at each access, so that a number whose
 * path leads nowhere any more says so. The session's thread uses it.
 */
final class NodeTable {

    /** The number of the top: FUSE_ROOT_ID. */
    static final long ROOT_ID = 1;

    private final FuseNode.Directory root;
    private final Map<Long, Known> byId = new HashMap<>();
    private final Map<Place, Known> byPlace = new HashMap<>();
    private long lastId = ROOT_ID;

    /** A name in a directory. */
    private record Place(long parentId, String name) {}

    /** What the kernel knows, and how often it was told. */
    private static final class Known {
        private final long id;
        private final Place place;
        private long lookups;
        // Those that it is the directory of stay reachable when the kernel forgets it first.
        private int children;

        private Known(long id, Place place) {
            this.id = id;
            this.place = place;
        }
    }

    NodeTable(FuseNode.Directory root) {
        this.root = root;
    }

    /**
     * What a number leads to now.
     *
     * @throws ErrnoException ENOENT when that is nothing
     */
    FuseNode node(long id) {
        if (id == ROOT_ID) {
            return root;
        }
        Place place = known(id).place;
        return child(place.parentId(), place.name());
    }

    /**
     * What a name in a directory leads to.
     *
     * @throws ErrnoException ENOENT when that is nothing
     */
    FuseNode child(long parentId, String name) {
        return Optional.of(node(parentId))
                .filter(FuseNode.Directory.class::isInstance)
                .map(FuseNode.Directory.class::cast)
                .flatMap(directory -> directory.find(name))
                .orElseThrow(() -> new ErrnoException(ENOENT, name));
    }

    /** Tells the kernel the number of a name once more. */
    long lookedUp(long parentId, String name) {
        Known found = byPlace.computeIfAbsent(new Place(parentId, name), this::add);
        found.lookups++;
        return found.id;
    }

    /** The kernel forgets that it was told so many times. A number that it does not know is nobody's trouble. */
    void forget(long id, long times) {
        Known found = byId.get(id);
        if (found != null) {
            found.lookups = Math.max(0, found.lookups - times);
            drop(found);
        }
    }

    /** How many numbers are known, the top's apart. */
    int size() {
        return byId.size();
    }

    private Known add(Place place) {
        Known made = new Known(++lastId, place);
        byId.put(made.id, made);
        Known parent = byId.get(place.parentId());
        if (parent != null) {
            parent.children++;
        }
        return made;
    }

    private void drop(Known start) {
        @Nullable Known known = start;
        while (known != null && known.lookups == 0 && known.children == 0) {
            byId.remove(known.id);
            byPlace.remove(known.place);
            known = byId.get(known.place.parentId());
            if (known != null) {
                known.children--;
            }
        }
    }

    private Known known(long id) {
        Known found = byId.get(id);
        if (found == null) {
            throw new ErrnoException(ESTALE, "node " + id);
        }
        return found;
    }
}
