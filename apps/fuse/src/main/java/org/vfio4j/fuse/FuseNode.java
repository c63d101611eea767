package org.vfio4j.fuse;

import java.util.List;
import java.util.Optional;

/**
 * What a path of a file system leads to. It is asked for anew at each access, and the kernel remembers nothing of it: what it says
 * is what there is. What it cannot do it says with an {@link org.vfio4j.sys.ErrnoException}, which the caller of the system call
 * gets.
 */
public sealed interface FuseNode {

    /** A directory. The session's thread calls it: it must not wait. */
    non-sealed interface Directory extends FuseNode {

        /** What is in it now. */
        List<String> names();

        /** What a name leads to; one that {@link #names} does not have leads nowhere. */
        Optional<FuseNode> find(String name);
    }

    /**
     * A symbolic link.
     *
     * @param target where it leads, from the directory that it is in
     */
    record Link(String target) implements FuseNode {}

    /** A file. */
    non-sealed interface File extends FuseNode {

        /** The permission bits, as {@code 0644}. The kernel holds callers to them. */
        int mode();

        /** What stat says. Reads go by {@link Handle#read}, whatever this is. */
        long sizeBytes();

        /** Opens it. The session's thread calls: it must not wait. */
        Handle open();
    }

    /** A file that somebody has open. Reads of one come one after the other, and so do writes. */
    interface Handle {

        /**
         * Reads. The session's thread calls: it must not wait.
         *
         * @return at most {@code length} bytes; fewer, or none, at the end
         */
        byte[] read(long offset, int length);

        /**
         * Writes. A thread of its own calls, which may wait, and is interrupted when the caller gets a signal.
         *
         * @return how many bytes it has taken
         */
        int write(long offset, byte[] data);
    }
}
