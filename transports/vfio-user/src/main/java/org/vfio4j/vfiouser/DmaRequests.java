package org.vfio4j.vfiouser;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.ECANCELED;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENOBUFS;
import static org.vfio4j.sys.Errno.ENOTCONN;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.sys.Errno.ETIMEDOUT;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_READ;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_WRITE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.uapi.VfioUser.DmaAccess;
import org.vfio4j.uapi.VfioUser.Header;

/**
 * The requests that a server makes of its client: DMA_READ and DMA_WRITE, for guest memory that came without a descriptor.
 *
 * <p>Queue threads ask and wait here; the connection's owner brings the answers in. It never waits for a queue thread in
 * between: QEMU answers these requests only when its own register access has been answered. While a worker has the connection
 * nobody reads answers, so a request gives up soon then: what the worker does may be waiting for the very thread that waits
 * here.
 *
 * <p>Two layouts of these messages exist. The specification's count is 64 bits wide and data begins behind it; QEMU 10 has
 * 32 bits and no payload in the reply to a DMA_WRITE. Which one the client speaks shows in the size of its first reply.
 */
final class DmaRequests {

    private static final int SLOTS = 64;
    private static final int SLOT_BITS = 6;

    private static final int HEADER_SIZE = Header.SIZEOF + DmaAccess.SIZEOF;

    private static final int PENDING = 1;
    private static final int SEND_AGAIN = 2;

    private static final long SPIN_NS = 20_000;
    private static final long PARK_NS = 10_000_000;
    private static final long UNATTENDED_LIMIT_NS = 1_000_000_000;

    private enum Layout {
        UNKNOWN,
        WIDE_COUNT,
        NARROW_COUNT
    }

    private static final class Slot {
        final MemorySegment header;
        int id;
        int command;
        long iova;
        long hostAddress;
        int length;
        int headerSize;

        @Nullable
        Thread waiter;

        boolean replyOutstanding;
        volatile int result;

        Slot(MemorySegment header) {
            this.header = header;
        }
    }

    /** Where requests go, and who is told when the socket did not take a whole one. */
    private record Way(Outbox outbox, Runnable onBacklog, boolean isTwin) {}

    private final long timeoutNs;
    private volatile Way way;

    // All of it guarded by this, but for the slots' results.
    private Slot[] slots = {};
    private int sequence;
    private int refusal;
    private Layout layout = Layout.UNKNOWN;
    private int maxTransfer = Capabilities.DEFAULTS.maxDataXferSize();

    private volatile long unattendedSince;
    private volatile boolean unattended;

    /**
     * @param onBacklog called when the socket did not take a whole request
     * @param timeoutNs how long to wait for an answer
     */
    DmaRequests(Outbox outbox, Runnable onBacklog, long timeoutNs) {
        way = new Way(outbox, onBacklog, false);
        this.timeoutNs = timeoutNs;
    }

    /** From now on, before the first request, they go over a socket of their own, whose answers somebody reads all the time. */
    void sendThrough(Outbox outbox, Runnable onBacklog) {
        way = new Way(outbox, onBacklog, true);
    }

    /** The largest {@code count} that the client takes. */
    synchronized void setMaxTransfer(int bytes) {
        maxTransfer = bytes;
    }

    /** Queue threads: reads guest memory, 0 or -errno. */
    int read(long iova, long hostAddress, long length) {
        return transfer(VFIO_USER_DMA_READ, iova, hostAddress, length);
    }

    /** Queue threads: writes guest memory, 0 or -errno. */
    int write(long iova, long hostAddress, long length) {
        return transfer(VFIO_USER_DMA_WRITE, iova, hostAddress, length);
    }

    /** How a client lays out these messages, and the answers that it still owes: what a server that takes over must know. */
    record Habits(int layout, int sequence, List<Owed> owed) {}

    /** An answer that nobody waits for any more. */
    record Owed(int id, int command) {}

    synchronized Habits habits() {
        List<Owed> owed = new ArrayList<>();
        for (Slot slot : slots) {
            if (slot.replyOutstanding) {
                owed.add(new Owed(slot.id, slot.command));
            }
        }
        return new Habits(layout.ordinal(), sequence, owed);
    }

    /** Goes on where another server was, before the first request. */
    synchronized void begin(Habits habits) {
        layout = Layout.values()[Math.floorMod(habits.layout, Layout.values().length)];
        sequence = habits.sequence & (0xffff >>> SLOT_BITS);
        if (!habits.owed.isEmpty() && slots.length == 0) {
            slots = newSlots();
        }
        for (Owed owed : habits.owed) {
            Slot slot = slots[owed.id & (SLOTS - 1)];
            slot.id = owed.id;
            slot.command = owed.command;
            slot.replyOutstanding = true;
        }
    }

    /** Whether a thread waits for an answer. */
    synchronized boolean anyWaiting() {
        for (Slot slot : slots) {
            if (slot.waiter != null) {
                return true;
            }
        }
        return false;
    }

    /** Ends all waits, and refuses requests from now on, with {@code errno}. */
    synchronized void cancel(int errno) {
        refusal = errno;
        for (Slot slot : slots) {
            if (slot.waiter != null && slot.result > 0) {
                finish(slot, -errno);
            }
        }
    }

    /** Takes requests again, unless the connection is lost. */
    synchronized void resume() {
        if (refusal != ENOTCONN) {
            refusal = 0;
        }
    }

    /** Whether somebody reads the connection's first socket. */
    void setAttended(boolean attended) {
        if (way.isTwin) {
            return;
        }
        if (!attended) {
            unattendedSince = System.nanoTime();
        }
        unattended = !attended;
    }

    /** The connection's owner: brings an answer in, false when nobody has asked for it. */
    synchronized boolean onReply(Message reply) {
        if (slots.length == 0) {
            return false;
        }
        Slot slot = slots[reply.id() & (SLOTS - 1)];
        if (!slot.replyOutstanding || slot.id != reply.id() || slot.command != reply.command()) {
            return false;
        }
        slot.replyOutstanding = false;
        if (slot.waiter != null && slot.result > 0) {
            finish(slot, outcome(slot, reply));
        }
        return true;
    }

    private int transfer(int command, long iova, long hostAddress, long length) {
        long done = 0;
        while (done < length) {
            Slot slot = acquire();
            if (slot == null) {
                return -EBUSY;
            }
            try {
                int error = prepare(slot, command, iova + done, hostAddress + done, length - done);
                if (error == 0) {
                    error = send(slot);
                }
                if (error == 0) {
                    error = await(slot);
                }
                if (error == SEND_AGAIN) {
                    continue;
                }
                if (error != 0) {
                    return error;
                }
                done += slot.length;
            } finally {
                release(slot);
            }
        }
        return 0;
    }

    private synchronized @Nullable Slot acquire() {
        if (slots.length == 0) {
            slots = newSlots();
        }
        for (Slot slot : slots) {
            if (slot.waiter == null && !slot.replyOutstanding) {
                slot.waiter = Thread.currentThread();
                slot.result = PENDING;
                return slot;
            }
        }
        return null;
    }

    // Most clients give descriptors, and are never asked.
    private static Slot[] newSlots() {
        Slot[] slots = new Slot[SLOTS];
        MemorySegment headers = Arena.ofAuto().allocate((long) SLOTS * HEADER_SIZE, Long.BYTES);
        for (int i = 0; i < SLOTS; i++) {
            slots[i] = new Slot(headers.asSlice((long) i * HEADER_SIZE, HEADER_SIZE));
        }
        return slots;
    }

    private synchronized int prepare(Slot slot, int command, long iova, long hostAddress, long length) {
        if (refusal != 0) {
            return -refusal;
        }
        sequence = (sequence + 1) & (0xffff >>> SLOT_BITS);
        int index = 0;
        while (slots[index] != slot) {
            index++;
        }
        slot.id = (sequence << SLOT_BITS) | index;
        slot.command = command;
        slot.iova = iova;
        slot.hostAddress = hostAddress;
        slot.length = (int) Math.min(length, maxTransfer);
        slot.replyOutstanding = true;
        slot.headerSize = layout == Layout.NARROW_COUNT ? Header.SIZEOF + DmaAccess.SHORT_SIZEOF : HEADER_SIZE;
        boolean hasData = command == VFIO_USER_DMA_WRITE;
        MemorySegment header = slot.header;
        header.set(JAVA_SHORT_UNALIGNED, Header.MSG_ID, (short) slot.id);
        header.set(JAVA_SHORT_UNALIGNED, Header.COMMAND, (short) command);
        header.set(JAVA_INT_UNALIGNED, Header.MSG_SIZE, slot.headerSize + (hasData ? slot.length : 0));
        header.set(JAVA_INT_UNALIGNED, Header.FLAGS, 0);
        header.set(JAVA_INT_UNALIGNED, Header.ERROR_NO, 0);
        header.set(JAVA_LONG_UNALIGNED, Header.SIZEOF + DmaAccess.ADDR, iova);
        header.set(JAVA_LONG_UNALIGNED, Header.SIZEOF + DmaAccess.COUNT, slot.length);
        return 0;
    }

    private int send(Slot slot) {
        Way to = way;
        int error;
        if (slot.command == VFIO_USER_DMA_WRITE) {
            // SAFETY: the caller's memory, which stays while the caller waits here.
            MemorySegment data = RawMemory.segment(slot.hostAddress, slot.length);
            error = to.outbox.request(slot.header, slot.headerSize, data, slot.length);
        } else {
            error = to.outbox.request(slot.header, slot.headerSize);
        }
        if (error == -ENOBUFS) {
            notSent(slot);
            return error;
        }
        if (error != 0) {
            return -ENOTCONN;
        }
        if (to.outbox.isBacklogged()) {
            to.onBacklog.run();
        }
        return 0;
    }

    private int await(Slot slot) {
        long started = System.nanoTime();
        while (slot.result == PENDING) {
            long waited = System.nanoTime() - started;
            if (waited < SPIN_NS) {
                Thread.onSpinWait();
            } else if (waited >= timeoutNs) {
                giveUp(slot, -ETIMEDOUT);
            } else if (unattended && System.nanoTime() - unattendedSince >= UNATTENDED_LIMIT_NS) {
                giveUp(slot, -ECANCELED);
            } else {
                LockSupport.parkNanos(this, PARK_NS);
            }
        }
        return slot.result;
    }

    /** There will be no answer. */
    private synchronized void notSent(Slot slot) {
        slot.replyOutstanding = false;
    }

    private synchronized void giveUp(Slot slot, int error) {
        if (slot.result == PENDING) {
            slot.result = error;
        }
    }

    // The slot stays taken while an answer may still come: its number must not be used for another request.
    private synchronized void release(Slot slot) {
        slot.waiter = null;
    }

    private void finish(Slot slot, int result) {
        slot.result = result;
        LockSupport.unpark(slot.waiter);
    }

    // The lock is held: the waiter cannot leave, so its memory is good.
    private int outcome(Slot slot, Message reply) {
        if ((reply.flags() & Header.FLAGS_ERROR) != 0) {
            int errno = reply.error();
            return errno > 0 && errno < 4096 ? -errno : -EIO;
        }
        return slot.command == VFIO_USER_DMA_READ ? readOutcome(slot, reply) : writeOutcome(slot, reply);
    }

    private int readOutcome(Slot slot, Message reply) {
        int dataAt = reply.payloadSize() - slot.length;
        if (dataAt == DmaAccess.SIZEOF) {
            layout = Layout.WIDE_COUNT;
        } else if (dataAt == DmaAccess.SHORT_SIZEOF) {
            layout = Layout.NARROW_COUNT;
        } else {
            return -EPROTO;
        }
        if (reply.u64(DmaAccess.ADDR) != slot.iova || reply.u32(DmaAccess.COUNT) != slot.length) {
            return -EPROTO;
        }
        // SAFETY: the waiter's memory; it waits until this method's result is published.
        MemorySegment target = RawMemory.segment(slot.hostAddress, slot.length);
        MemorySegment.copy(reply.buffer(), reply.payloadAt() + dataAt, target, 0, slot.length);
        return 0;
    }

    private int writeOutcome(Slot slot, Message reply) {
        if (reply.payloadSize() == 0) {
            if (layout == Layout.UNKNOWN) {
                layout = Layout.NARROW_COUNT;
                return SEND_AGAIN;
            }
            return 0;
        }
        boolean same = reply.payloadSize() >= DmaAccess.SHORT_SIZEOF
                && reply.u64(DmaAccess.ADDR) == slot.iova
                && reply.u32(DmaAccess.COUNT) == slot.length;
        return same ? 0 : -EPROTO;
    }
}
