package org.vfio4j.i40evf;

import static org.vfio4j.i40evf.VfRegs.*;

import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLong;
import org.vfio4j.devicemodel.Interrupts;

/**
 * The vectors and their {@code VFINT_DYN_CTL} registers (X710 datasheet, 7.5.3): a cause is held back while its vector is not
 * enabled, and a message that was sent disables its vector until the driver enables it again. Causes come from the queue thread,
 * register accesses from the function's thread. There is no moderation: the intervals are stored and not obeyed.
 */
final class VfInterrupts {

    private static final int PENDING = 1 << 16;
    private static final int STORED = ~(DYN_CTL_INTENA | DYN_CTL_CLEARPBA | DYN_CTL_SWINT_TRIG | DYN_CTL_INTENA_MSK);
    private static final int LOW = 0xffff;

    private final Interrupts irqs;
    private final AtomicIntegerArray vectors;

    private final AtomicLong sent = new AtomicLong();

    VfInterrupts(Interrupts irqs, int count) {
        this.irqs = irqs;
        vectors = new AtomicIntegerArray(count);
    }

    int count() {
        return vectors.length();
    }

    /** How many messages were sent. */
    long sentCount() {
        return sent.get();
    }

    /** What the control register of a vector reads as. */
    int control(int vector) {
        return vectors.get(vector) & LOW;
    }

    /** The control register of a vector is written. */
    void setControl(int vector, int value) {
        int before;
        int after;
        do {
            before = vectors.get(vector);
            int enabled = ((value & DYN_CTL_INTENA_MSK) == 0 ? value : before) & DYN_CTL_INTENA;
            int pending = (value & DYN_CTL_CLEARPBA) == 0 ? before & PENDING : 0;
            after = (value & STORED & LOW) | enabled | pending | ((value & DYN_CTL_SWINT_TRIG) == 0 ? 0 : PENDING);
        } while (!vectors.compareAndSet(vector, before, after));
        deliver(vector);
    }

    /** Something has happened that the vector tells of. */
    void cause(int vector) {
        int before;
        do {
            before = vectors.get(vector);
        } while (!vectors.compareAndSet(vector, before, before | PENDING));
        deliver(vector);
    }

    void reset() {
        for (int i = 0; i < vectors.length(); i++) {
            vectors.set(i, 0);
        }
    }

    /** A vector as a migration saves it. */
    int save(int vector) {
        return vectors.get(vector);
    }

    /** Whether {@link #save} could have said this. */
    static boolean isValid(int saved) {
        return (saved & ~((LOW & STORED) | DYN_CTL_INTENA | PENDING)) == 0;
    }

    void load(int vector, int saved) {
        vectors.set(vector, saved);
    }

    /** Sends what was held back before a migration and may leave now. */
    void deliverAll() {
        for (int i = 0; i < vectors.length(); i++) {
            deliver(i);
        }
    }

    private void deliver(int vector) {
        int before;
        int after;
        do {
            before = vectors.get(vector);
            if ((before & PENDING) == 0 || (before & DYN_CTL_INTENA) == 0 || !irqs.msixEnabled()) {
                return;
            }
            after = before & ~(PENDING | DYN_CTL_INTENA);
        } while (!vectors.compareAndSet(vector, before, after));
        sent.incrementAndGet();
        irqs.message(vector);
    }
}
