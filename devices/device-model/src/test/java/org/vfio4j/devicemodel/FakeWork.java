package org.vfio4j.devicemodel;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Cpus;
import org.vfio4j.sys.Fd;

/** Work that is a number to be counted up to. */
final class FakeWork implements QueueWork {

    final AtomicLong offered = new AtomicLong();
    final AtomicLong done = new AtomicLong();
    final AtomicInteger begun = new AtomicInteger();
    final AtomicInteger failures = new AtomicInteger();
    final AtomicInteger laters = new AtomicInteger();
    volatile boolean ready = true;
    volatile Runnable whenFailed = () -> {};
    volatile boolean throwing;
    volatile boolean keepsInFlight;
    volatile int inFlight;
    volatile Cpus ranOn = Cpus.ANY;
    volatile long waitNs = NOTHING;
    final AtomicLong polls = new AtomicLong();

    long offer(int count) {
        return offered.addAndGet(count);
    }

    @Override
    public boolean ready() {
        return ready;
    }

    @Override
    public void begin(Fd eventFd) {
        ranOn = Cpus.allowed();
        begun.incrementAndGet();
    }

    @Override
    public void end() {
        begun.decrementAndGet();
    }

    @Override
    public void entered(DmaWindow window) {
        assertThat(((FakeWindow) window).online).isTrue();
    }

    @Override
    public int poll(DmaWindow window) {
        assertThat(((FakeWindow) window).online).isTrue();
        polls.incrementAndGet();
        if (waitNs != NOTHING) {
            return 0;
        }
        if (throwing) {
            throwing = false;
            throw new IllegalStateException("the test's work fails");
        }
        if (laters.get() > 0) {
            laters.decrementAndGet();
            return LATER;
        }
        int finished = inFlight;
        done.addAndGet(finished);
        inFlight = 0;
        long waiting = offered.get() - done.get();
        if (waiting > 0 && keepsInFlight && finished == 0) {
            inFlight = (int) waiting;
        } else {
            done.addAndGet(waiting);
        }
        return (int) waiting + finished;
    }

    @Override
    public long waitNs() {
        return waitNs;
    }

    @Override
    public boolean arm(DmaWindow window) {
        return waitNs == NOTHING && offered.get() != done.get();
    }

    @Override
    public void disarm(DmaWindow window) {}

    @Override
    public int inFlight() {
        return inFlight;
    }

    @Override
    public void drain(DmaWindow window) {
        done.addAndGet(inFlight);
        inFlight = 0;
    }

    @Override
    public void failed(Throwable cause) {
        ready = false;
        whenFailed.run();
        failures.incrementAndGet();
    }
}
