package org.vfio4j.bluefield;

import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.MappingSet;

/** The memory of an emulated function, with a page tracker between the two while there is one. */
record TrackedSpace(DmaSpace space, AtomicReference<@Nullable PageTracker> tracker) implements DmaSpace {

    @Override
    public DmaWindow openWindow() {
        return new Window(space.openWindow(), tracker);
    }

    /** Belongs to the function's thread. What it writes is marked after the write, and before it leaves. */
    private record Window(DmaWindow window, AtomicReference<@Nullable PageTracker> tracker) implements DmaWindow {

        @Override
        public void enter() {
            window.enter();
        }

        @Override
        public void leave() {
            window.leave();
        }

        @Override
        public boolean yieldRequested() {
            return window.yieldRequested();
        }

        @Override
        public long generation() {
            return window.generation();
        }

        @Override
        public MappingSet mappings() {
            return window.mappings();
        }

        @Override
        public long translate(long iova, long length, int access) {
            return window.translate(iova, length, access);
        }

        @Override
        public int read(long iova, long hostAddress, long length) {
            return window.read(iova, hostAddress, length);
        }

        @Override
        public int write(long iova, long hostAddress, long length) {
            int error = window.write(iova, hostAddress, length);
            // Part of it may have been written when it failed.
            track(iova, length);
            return error;
        }

        @Override
        public void markDirty(long iova, long length) {
            window.markDirty(iova, length);
            track(iova, length);
        }

        @Override
        public void close() {
            window.close();
        }

        private void track(long iova, long length) {
            PageTracker running = tracker.get();
            if (running != null) {
                running.mark(iova, length);
            }
        }
    }
}
