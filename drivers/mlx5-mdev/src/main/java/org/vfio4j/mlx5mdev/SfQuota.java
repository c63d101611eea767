package org.vfio4j.mlx5mdev;

import static org.vfio4j.sys.Errno.EUSERS;

import org.vfio4j.mlx5.SfCaps;
import org.vfio4j.sys.ErrnoException;

/**
 * What is left of a physical function's resources: functions, queues and bytes. One lock over the three, so that who asks for more of one
 * than there is does not keep another from the rest meanwhile. For all threads.
 */
final class SfQuota {

    private final SfCaps limits;
    private int functions;
    private int queues;
    private long bytes;

    SfQuota(SfCaps limits) {
        this.limits = limits;
        functions = limits.maxNumSf();
        queues = limits.maxQueues();
        bytes = limits.maxBytes();
    }

    /** How many more of a type there could be. */
    synchronized int available(SfType type) {
        return (int) Math.min(Math.min(functions, queues / type.queues()), bytes / type.sizeBytes());
    }

    /**
     * Takes what one of a type needs.
     *
     * @throws ErrnoException EUSERS when there is less of something, which it names
     */
    synchronized void take(SfType type) {
        check(type, "functions", 1, functions, limits.maxNumSf());
        check(type, "queues", type.queues(), queues, limits.maxQueues());
        check(type, "bytes", type.sizeBytes(), bytes, limits.maxBytes());
        functions--;
        queues -= type.queues();
        bytes -= type.sizeBytes();
    }

    synchronized void giveBack(SfType type) {
        functions++;
        queues += type.queues();
        bytes += type.sizeBytes();
    }

    private static void check(SfType type, String what, long needed, long left, long limit) {
        if (needed > left) {
            throw new ErrnoException(
                    EUSERS,
                    "create " + type.mdevType().name() + ": " + needed + " " + what + " needed, of " + limit + " "
                            + left + " are left");
        }
    }
}
