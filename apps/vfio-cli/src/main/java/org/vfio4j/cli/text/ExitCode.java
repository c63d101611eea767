package org.vfio4j.cli.text;

import static org.vfio4j.sys.Errno.*;

/** What {@code vfio} ends with: part of its interface, so that scripts can tell failures apart. */
public final class ExitCode {

    public static final int OK = 0;
    public static final int FAILED = 1;
    public static final int USAGE = 2;
    public static final int NOT_FOUND = 3;
    public static final int PERMISSION = 4;
    public static final int BUSY = 5;
    public static final int UNREACHABLE = 6;
    public static final int UNSUPPORTED = 7;
    public static final int TIMEOUT = 8;

    private ExitCode() {}

    public static int of(int errno) {
        return switch (errno) {
            case ENOENT, ENODEV, ENXIO -> NOT_FOUND;
            case EACCES, EPERM, EROFS -> PERMISSION;
            case EBUSY, EADDRINUSE -> BUSY;
            case ECONNREFUSED, ENOTCONN, ECONNRESET, EPIPE -> UNREACHABLE;
            case ENOSYS, EOPNOTSUPP, ENOTTY -> UNSUPPORTED;
            case ETIMEDOUT -> TIMEOUT;
            default -> FAILED;
        };
    }
}
