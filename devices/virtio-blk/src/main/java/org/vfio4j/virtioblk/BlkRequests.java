package org.vfio4j.virtioblk;

import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Fd;
import org.vfio4j.virtio.DescriptorChain;
import org.vfio4j.virtio.SplitQueue;
import org.vfio4j.virtio.VirtioRequests;

/**
 * A disk's side on a queue thread: keeps the {@link BlkSession}, which exists from the first request on until the thread ends
 * or the device fails.
 */
final class BlkRequests implements VirtioRequests {

    private final BlkDisk disk;
    private @Nullable Fd eventFd;
    private @Nullable BlkSession session;

    BlkRequests(BlkDisk disk) {
        this.disk = disk;
    }

    @Override
    public void begin(Fd eventFd) {
        this.eventFd = eventFd;
    }

    @Override
    public void end() {
        BlkSession ending = session;
        session = null;
        if (ending != null) {
            ending.close();
        }
    }

    @Override
    public int serve(SplitQueue queue, int waiting, DmaWindow window) {
        return opened().serve(queue, waiting, window);
    }

    @Override
    public long serveSlowly(SplitQueue queue, DescriptorChain chain, DmaWindow window) {
        return opened().serveSlowly(queue, chain, window);
    }

    @Override
    public long waitNs() {
        return disk.limits().waitNs();
    }

    @Override
    public int complete() {
        BlkSession open = session;
        return open == null ? 0 : open.complete();
    }

    @Override
    public int inFlight() {
        BlkSession open = session;
        return open == null ? 0 : open.inFlight();
    }

    @Override
    public boolean isFull() {
        BlkSession open = session;
        return open != null && open.isFull();
    }

    @Override
    public void drain() {
        BlkSession open = session;
        if (open != null) {
            open.drain();
        }
    }

    @Override
    public boolean arm() {
        BlkSession open = session;
        return open != null && open.arm();
    }

    @Override
    public void disarm() {
        BlkSession open = session;
        if (open != null) {
            open.disarm();
        }
    }

    @Override
    public void abandon() {
        end();
    }

    private BlkSession opened() {
        BlkSession open = session;
        if (open == null) {
            open = new BlkSession(disk, Objects.requireNonNull(eventFd));
            session = open;
        }
        return open;
    }
}
