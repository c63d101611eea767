package org.vfio4j.block;

import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.vfio4j.sys.Errno;

/** What the queues of a file have pinned of their users' memory, for people. Any thread. */
final class Pins {

    private final Path path;
    private final AtomicLong bytes = new AtomicLong();
    private final AtomicBoolean said = new AtomicBoolean();

    // The rings that have been refused something now, by the errno.
    private final Map<Integer, Integer> refusals = new ConcurrentSkipListMap<>();

    Pins(Path path) {
        this.path = path;
    }

    void add(long more) {
        bytes.addAndGet(more);
    }

    /** Some memory of a ring is not pinned, until {@link #over}, which is said once: requests to it go on without. */
    void refused(int errno) {
        refusals.merge(errno, 1, Integer::sum);
        if (!said.getAndSet(true)) {
            System.getLogger(Pins.class.getName())
                    .log(
                            Level.WARNING,
                            "{0}: guest memory beyond {1} MiB is not pinned, and used as without pin: {2}{3}",
                            path,
                            Long.toString(bytes.get() >> 20),
                            Errno.describe(errno),
                            hint(errno));
        }
    }

    /** A ring that was refused something has all that it wants, or will ask again; or it is closed. */
    void over(int errno) {
        refusals.computeIfPresent(errno, (key, rings) -> rings == 1 ? null : rings - 1);
    }

    /** As {@code 512 MiB pinned}; before there is anything, {@code pin}. */
    String describe() {
        long mib = bytes.get() >> 20;
        return refusals.keySet().stream()
                .findFirst()
                .map(errno -> mib + " MiB pinned, no more: " + Errno.name(errno))
                .orElse(mib == 0 ? "pin" : mib + " MiB pinned");
    }

    private static String hint(int errno) {
        return switch (errno) {
            case Errno.ENOMEM ->
                ". The limit is RLIMIT_MEMLOCK, of which each thread takes the guest's memory: LimitMEMLOCK=infinity"
                        + " of a service, or ulimit -l unlimited";
            case Errno.EFAULT, Errno.EOPNOTSUPP -> ". A guest's memory must be a memfd";
            case Errno.EINVAL -> ". It takes Linux 5.19";
            case Errno.ENOSPC -> ". The limit is " + PinnedMemory.PLACES + " pieces of 1 GiB";
            default -> "";
        };
    }
}
