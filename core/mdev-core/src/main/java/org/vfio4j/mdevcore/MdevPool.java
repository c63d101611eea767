package org.vfio4j.mdevcore;

import static org.vfio4j.sys.Errno.EUSERS;

import java.util.concurrent.atomic.AtomicInteger;
import org.vfio4j.sys.ErrnoException;

/** What the devices of a parent share out among themselves, when that can be counted: ports, queues, functions. For all threads. */
public final class MdevPool {

    private final String what;
    private final int size;
    private final AtomicInteger left;

    /** @param what is counted, in the plural, for messages */
    public MdevPool(String what, int size) {
        this.what = what;
        this.size = size;
        this.left = new AtomicInteger(size);
    }

    /** How many devices that need {@code each} there could be still. */
    public int available(int each) {
        return left.get() / each;
    }

    /**
     * Takes some.
     *
     * @throws ErrnoException EUSERS when there are fewer
     */
    public void take(int count) {
        int before;
        do {
            before = left.get();
            if (before < count) {
                throw new ErrnoException(
                        EUSERS, "take " + count + " " + what + ": " + before + " of " + size + " are left");
            }
        } while (!left.compareAndSet(before, before - count));
    }

    /** Gives back what was taken. */
    public void giveBack(int count) {
        left.addAndGet(count);
    }
}
