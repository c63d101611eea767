package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import org.vfio4j.sys.ErrnoException;

/** The memory that a function may master, addressed by IOVA. */
public interface DmaSpace {

    /** Access rights of a translation: the device reads memory. */
    int READ = 1;

    /** Access rights of a translation: the device writes memory. */
    int WRITE = 2;

    /** A new window for one thread, offline at first. The caller closes it. */
    DmaWindow openWindow();

    /**
     * From now on {@code follower} has every map before the map's user is told of it, and for no longer than that. It is there before the
     * first map: the descriptors of those that are there already are not kept.
     *
     * @throws ErrnoException EBUSY when there is a map; EOPNOTSUPP when the space cannot be followed
     */
    default void follow(DmaFollower follower) {
        throw new ErrnoException(EOPNOTSUPP, "follow the maps of " + this);
    }

    /**
     * Takes every map away from {@code follower}, and tells it of no more.
     *
     * @throws ErrnoException what it says first; all are taken away nevertheless, as far as it goes
     */
    default void unfollow(DmaFollower follower) {}
}
