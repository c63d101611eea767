package org.vfio4j.vfiopcicore;

import static org.vfio4j.sys.Errno.EACCES;

import org.vfio4j.bus.DmaFollower;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.MappingSet;

/**
 * The user's memory as the function reaches it: not at all while the function is no bus master, as a root port answers
 * (PCI Local Bus 3.0, 6.2.2), whether the function itself minds the bit or not. What is in flight when the bit is cleared may
 * end. A DMA pays for one more look at a number. The windows' threads use it.
 */
final class MasterSpace implements DmaSpace {

    private final DmaSpace space;
    private final Decode decode;

    MasterSpace(DmaSpace space, Decode decode) {
        this.space = space;
        this.decode = decode;
    }

    @Override
    public DmaWindow openWindow() {
        return new MasterWindow(space.openWindow(), decode);
    }

    /** Of a function that keeps to its bus master bit by itself. */
    @Override
    public void follow(DmaFollower follower) {
        space.follow(follower);
    }

    @Override
    public void unfollow(DmaFollower follower) {
        space.unfollow(follower);
    }

    private static final class MasterWindow implements DmaWindow {

        private final DmaWindow window;
        private final Decode decode;
        private long enteredAt;

        MasterWindow(DmaWindow window, Decode decode) {
            this.window = window;
            this.decode = decode;
        }

        @Override
        public void enter() {
            window.enter();
            enteredAt = decode.masterEpoch();
        }

        @Override
        public void leave() {
            window.leave();
        }

        /** Also when the function has become or stopped being bus master: translations are void then. */
        @Override
        public boolean yieldRequested() {
            return window.yieldRequested() || enteredAt != decode.masterEpoch();
        }

        // The sum of two numbers that only grow changes whenever one of them does.
        @Override
        public long generation() {
            return window.generation() + enteredAt;
        }

        @Override
        public MappingSet mappings() {
            return window.mappings();
        }

        @Override
        public long translate(long iova, long length, int access) {
            return isMaster() ? window.translate(iova, length, access) : -EACCES;
        }

        @Override
        public int read(long iova, long hostAddress, long length) {
            return isMaster() ? window.read(iova, hostAddress, length) : -EACCES;
        }

        @Override
        public int write(long iova, long hostAddress, long length) {
            return isMaster() ? window.write(iova, hostAddress, length) : -EACCES;
        }

        @Override
        public void markDirty(long iova, long length) {
            window.markDirty(iova, length);
        }

        @Override
        public void close() {
            window.close();
        }

        private boolean isMaster() {
            return Decode.isMaster(decode.masterEpoch());
        }
    }
}
