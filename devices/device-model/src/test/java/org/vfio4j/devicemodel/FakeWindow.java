package org.vfio4j.devicemodel;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.atomic.AtomicInteger;
import org.vfio4j.bus.DmaWindow;

/** A window that holds its user to the rules. */
final class FakeWindow implements DmaWindow {

    final AtomicInteger entries = new AtomicInteger();
    volatile boolean online;
    volatile boolean closed;
    volatile boolean yield;

    @Override
    public void enter() {
        assertThat(online || closed).isFalse();
        online = true;
        yield = false;
        entries.incrementAndGet();
    }

    @Override
    public void leave() {
        assertThat(online).isTrue();
        online = false;
    }

    @Override
    public boolean yieldRequested() {
        return yield;
    }

    @Override
    public long generation() {
        return 0;
    }

    @Override
    public long translate(long iova, long length, int access) {
        return 0;
    }

    @Override
    public int read(long iova, long hostAddress, long length) {
        return 0;
    }

    @Override
    public int write(long iova, long hostAddress, long length) {
        return 0;
    }

    @Override
    public void markDirty(long iova, long length) {}

    @Override
    public void close() {
        assertThat(online).isFalse();
        closed = true;
    }
}
