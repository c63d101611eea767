package org.vfio4j.sys;

/** Seals of a memory file: fcntl(2), F_ADD_SEALS. Memory with {@link #F_SEAL_SHRINK} stays as large as it is. */
public final class Seals {

    public static final int F_SEAL_SEAL = 1;
    public static final int F_SEAL_SHRINK = 2;
    public static final int F_SEAL_GROW = 4;
    public static final int F_SEAL_WRITE = 8;

    private static final int F_ADD_SEALS = 1033;
    private static final int F_GET_SEALS = 1034;

    private Seals() {}

    /**
     * The seals that are set.
     *
     * @throws ErrnoException EINVAL for a file that cannot have seals
     */
    public static int get(Fd fd) {
        return Fd.fcntl(fd.value(), F_GET_SEALS, 0, "fcntl F_GET_SEALS " + fd);
    }

    /**
     * Adds seals.
     *
     * @throws ErrnoException EPERM when {@link #F_SEAL_SEAL} is set or the descriptor is not writable; EINVAL for a file that
     *     cannot have seals
     */
    public static void add(Fd fd, int seals) {
        Fd.fcntl(fd.value(), F_ADD_SEALS, seals, "fcntl F_ADD_SEALS " + fd);
    }
}
