package org.vfio4j.nvme;

import java.util.BitSet;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.BlockCompletion;
import org.vfio4j.block.BlockQueue;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;

/** Storage that answers with an error, or not at all, while a test wants that. */
final class FaultyBackend implements BlockBackend {

    /** A negative errno that every request gets, 0 for none. */
    volatile int error;

    /** A negative errno that every flush gets, 0 for none. */
    volatile int flushError;

    /** Nothing is answered. */
    volatile boolean stalled;

    private final BlockBackend backend;
    private volatile Fd waker = Fd.none();
    private final AtomicInteger waiting = new AtomicInteger();
    private final AtomicInteger flushes = new AtomicInteger();

    /** Threads that have closed a queue, by that which opened it. */
    private final Map<Thread, Thread> closers = new ConcurrentHashMap<>();

    FaultyBackend(BlockBackend backend) {
        this.backend = backend;
    }

    /** Answers go on, and wake whoever waits for them. */
    void letGo() {
        stalled = false;
        EventFd.signal(waker.value());
    }

    /** Requests that are not answered. */
    int waiting() {
        return waiting.get();
    }

    int flushes() {
        return flushes.get();
    }

    Map<Thread, Thread> closers() {
        return closers;
    }

    @Override
    public long sizeBytes() {
        return backend.sizeBytes();
    }

    @Override
    public int physicalBlockBytes() {
        return backend.physicalBlockBytes();
    }

    @Override
    public boolean readOnly() {
        return false;
    }

    @Override
    public String describe() {
        return "faulty";
    }

    @Override
    public BlockQueue openQueue(int depth) {
        return new Queue(backend.openQueue(depth));
    }

    @Override
    public void close() {
        backend.close();
    }

    private final class Queue implements BlockQueue {

        private final BlockQueue queue;
        private final BitSet flushing = new BitSet();
        private final Thread opener = Thread.currentThread();

        Queue(BlockQueue queue) {
            this.queue = queue;
        }

        @Override
        public void readv(long offset, long iov, int iovCount, int tag) {
            queue.readv(offset, iov, iovCount, tag);
        }

        @Override
        public void writev(long offset, long iov, int iovCount, int tag) {
            queue.writev(offset, iov, iovCount, tag);
        }

        @Override
        public void flush(int tag) {
            flushes.incrementAndGet();
            flushing.set(tag);
            queue.flush(tag);
        }

        @Override
        public void discard(long offset, long length, int tag) {
            queue.discard(offset, length, tag);
        }

        @Override
        public void writeZeroes(long offset, long length, boolean mayUnmap, int tag) {
            queue.writeZeroes(offset, length, mayUnmap, tag);
        }

        @Override
        public void submit() {
            queue.submit();
        }

        @Override
        public int poll(BlockCompletion handler) {
            waiting.set(queue.inFlight());
            return stalled ? 0 : queue.poll((tag, result) -> handler.complete(tag, answer(tag, result)));
        }

        private int answer(int tag, int result) {
            int wanted = error == 0 && flushing.get(tag) ? flushError : error;
            flushing.clear(tag);
            return wanted == 0 ? result : wanted;
        }

        @Override
        public int inFlight() {
            return queue.inFlight();
        }

        @Override
        public void wakeBy(Fd eventFd) {
            waker = eventFd;
            queue.wakeBy(eventFd);
        }

        @Override
        public void arm() {
            queue.arm();
        }

        @Override
        public void disarm() {
            queue.disarm();
        }

        @Override
        public void close() {
            closers.put(opener, Thread.currentThread());
            queue.close();
        }
    }
}
