package org.vfio4j.vfio;

import static org.vfio4j.sys.Errno.EBUSY;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import org.vfio4j.bus.DmaFollower;
import org.vfio4j.bus.DmaMemory;
import org.vfio4j.sys.ErrnoException;

/** Who follows an address space. Guarded by the space's lock, but for {@link #isEmpty}. */
final class DmaFollowers {

    private final List<DmaFollower> all = new ArrayList<>();

    // Whether there are none, for threads without the lock.
    private volatile boolean empty = true;

    boolean isEmpty() {
        return empty;
    }

    /** @param maps how many the space has */
    void add(DmaFollower follower, int maps) {
        if (maps != 0) {
            throw new ErrnoException(EBUSY, "follow an address space that has " + maps + " maps already");
        }
        all.add(follower);
        empty = false;
    }

    /** Takes all maps away from one that follows no longer. Returns what it says first when it cannot let go. */
    Optional<ErrnoException> remove(DmaFollower follower, Collection<DmaMap> maps) {
        all.remove(follower);
        empty = all.isEmpty();
        return unmap(List.of(follower), maps);
    }

    /** Has all of them map it, or none. */
    void map(DmaMap map, Optional<DmaMemory> memory) {
        for (int done = 0; done < all.size(); done++) {
            try {
                all.get(done).map(map.iova, map.sizeBytes, map.access, memory);
            } catch (RuntimeException e) {
                unmap(all.subList(0, done), List.of(map)).ifPresent(e::addSuppressed);
                throw e;
            }
        }
    }

    /** Has all of them unmap all of these. Returns what the first of them says that cannot let go. */
    Optional<ErrnoException> unmap(Collection<DmaMap> maps) {
        return unmap(all, maps);
    }

    private static Optional<ErrnoException> unmap(List<DmaFollower> followers, Collection<DmaMap> maps) {
        Optional<ErrnoException> first = Optional.empty();
        for (DmaFollower follower : followers) {
            for (DmaMap map : maps) {
                try {
                    follower.unmap(map.iova, map.sizeBytes);
                } catch (ErrnoException e) {
                    first = Optional.of(first.orElse(e));
                }
            }
        }
        return first;
    }
}
