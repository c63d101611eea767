package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.*;

/** What {@code vfio} ends with: part of its interface, so that scripts can tell failures apart. */
final class ExitCode {

    static final int OK = 0;
    static final int FAILED = 1;
    static final int USAGE = 2;
    static final int NOT_FOUND = 3;
    static final int PERMISSION = 4;
    static final int BUSY = 5;
    static final int UNREACHABLE = 6;
    static final int UNSUPPORTED = 7;
    static final int TIMEOUT = 8;

    private ExitCode() {}

    static int of(int errno) {
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
