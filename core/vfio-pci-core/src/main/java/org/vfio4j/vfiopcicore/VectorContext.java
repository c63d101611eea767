package org.vfio4j.vfiopcicore;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.SharedEventFd;

/**
 * The vectors of MSI or MSI-X (PCI Local Bus 3.0, 6.8): where each goes, its mask, its pending bit.
 *
 * <p>Any thread fires: it reads one slot, and that slot says all: signal this descriptor, hold the interrupt back as pending, or
 * drop it. The user's thread alone changes slots, from the masks and descriptors that it keeps beside them.
 *
 * <p><b>No interrupt is lost or doubled.</b> Who fires into a held vector sets the pending bit first and reads the slot again
 * then; who opens a vector writes the slot first and takes the pending bit then. All four are volatile accesses, so in their
 * total order either the reader sees the open slot or the opener sees the bit, or both do: and taking the bit is atomic, so one
 * of them signals.
 */
final class VectorContext {

    /** Slot of a vector that nobody has enabled: its interrupts are dropped. */
    private static final int DROP = -1;

    /** Slot of a vector that is masked or goes nowhere yet: its interrupts are pending. */
    private static final int HOLD = -2;

    private static final VarHandle WORDS = MethodHandles.arrayElementVarHandle(long[].class);

    private final int count;
    private final boolean maskedAtFirst;
    private final AtomicIntegerArray slots;
    private final long[] pending;

    // The user's thread only.
    private final @Nullable Fd[] eventFds;
    private final BitSet masked = new BitSet();
    private final BitSet maskedByUser = new BitSet();
    private boolean functionMasked;
    private boolean enabled;

    /**
     * @param count vectors, 0 when the function has none of this kind
     * @param maskedAtFirst whether they come out of reset masked, as those of MSI-X do
     */
    VectorContext(int count, boolean maskedAtFirst) {
        this.count = count;
        this.maskedAtFirst = maskedAtFirst;
        this.slots = new AtomicIntegerArray(count);
        this.pending = new long[(count + 63) / 64];
        this.eventFds = new Fd[count];
        resetMasks();
    }

    int count() {
        return count;
    }

    /** An interrupt: from any thread, without a lock or allocation. */
    void fire(int vector) {
        if (vector < 0 || vector >= count) {
            return;
        }
        int slot = slots.get(vector);
        if (slot >= 0) {
            SharedEventFd.signal(slot);
        } else if (slot == HOLD) {
            hold(vector);
        }
    }

    private void hold(int vector) {
        WORDS.getAndBitwiseOr(pending, vector >> 6, 1L << vector);
        int slot = slots.get(vector);
        if (slot != HOLD && takePending(vector) && slot >= 0) {
            SharedEventFd.signal(slot);
        }
    }

    /** Loopback: as if the function had fired, but for vectors that go nowhere. */
    void trigger(int vector) {
        if (eventFds[vector] != null) {
            fire(vector);
        }
    }

    boolean isEnabled() {
        return enabled;
    }

    void enable() {
        enabled = true;
        clearPending();
        refreshAll();
    }

    /**
     * Drops all interrupts from now on, and the user's masks. Returns the descriptors, which a firing thread may still be about
     * to signal.
     */
    List<Fd> disable() {
        enabled = false;
        refreshAll();
        clearPending();
        List<Fd> old = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            replace(i, null, old);
        }
        resetMasks();
        return old;
    }

    /**
     * Sends vectors from {@code start} on to {@code newEventFds}, or {@code howMany} of them nowhere when that is empty. A
     * vector that is given a descriptor is unmasked unless the user has masked it. Returns the old descriptors, as
     * {@link #disable}.
     */
    List<Fd> assign(int start, int howMany, List<Fd> newEventFds) {
        List<Fd> old = new ArrayList<>();
        for (int i = 0; i < howMany; i++) {
            int vector = start + i;
            replace(vector, newEventFds.isEmpty() ? null : newEventFds.get(i), old);
            if (!newEventFds.isEmpty() && !maskedByUser.get(vector)) {
                masked.clear(vector);
            }
            refresh(vector);
        }
        return old;
    }

    boolean isMasked(int vector) {
        return masked.get(vector);
    }

    void setMasked(int vector, boolean newMasked) {
        masked.set(vector, newMasked);
        maskedByUser.set(vector, newMasked);
        refresh(vector);
    }

    void setFunctionMasked(boolean newMasked) {
        if (functionMasked != newMasked) {
            functionMasked = newMasked;
            refreshAll();
        }
    }

    /** Takes the user's masks back: what goes somewhere is open. */
    void resetMasks() {
        functionMasked = false;
        maskedByUser.clear();
        for (int i = 0; i < count; i++) {
            masked.set(i, maskedAtFirst && eventFds[i] == null);
        }
        refreshAll();
    }

    /** Pending bits of vectors 64 * {@code index} on. */
    long pendingWord(int index) {
        return (long) WORDS.getVolatile(pending, index);
    }

    int pendingWords() {
        return pending.length;
    }

    /** The function was reset. */
    void clearPending() {
        for (int i = 0; i < pending.length; i++) {
            WORDS.setVolatile(pending, i, 0L);
        }
    }

    private void replace(int vector, @Nullable Fd newEventFd, List<Fd> old) {
        Fd before = eventFds[vector];
        if (before != null) {
            old.add(before);
        }
        eventFds[vector] = newEventFd;
    }

    private void refreshAll() {
        for (int i = 0; i < count; i++) {
            refresh(i);
        }
    }

    private void refresh(int vector) {
        int slot = slot(vector);
        slots.set(vector, slot);
        if (slot >= 0 && takePending(vector)) {
            SharedEventFd.signal(slot);
        }
    }

    private int slot(int vector) {
        if (!enabled) {
            return DROP;
        }
        Fd eventFd = eventFds[vector];
        return eventFd == null || functionMasked || masked.get(vector) ? HOLD : eventFd.value();
    }

    private boolean takePending(int vector) {
        long bit = 1L << vector;
        long before = (long) WORDS.getAndBitwiseAnd(pending, vector >> 6, ~bit);
        return (before & bit) != 0;
    }

    @Override
    public String toString() {
        return count + " vectors, pending " + Arrays.toString(pending);
    }
}
