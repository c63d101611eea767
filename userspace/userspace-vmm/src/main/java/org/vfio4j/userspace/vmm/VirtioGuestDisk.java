package org.vfio4j.userspace.vmm;

import org.vfio4j.userspace.dma.DmaMemory;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.userspace.virtioblk.VirtioBlkQueue;

/** A virtio disk. */
final class VirtioGuestDisk implements GuestDisk {

    private static final VirtioBlkOptions OPTIONS =
            VirtioBlkOptions.DEFAULTS.withQueues(1).withQueueSize(256);

    private final VirtioBlkDriver driver;
    private final VirtioBlkQueue queue;
    private Completion handler = (tag, result) -> {};
    private final org.vfio4j.userspace.virtioblk.Completion completion = (tag, result) -> handler.complete(tag, result);

    private VirtioGuestDisk(VirtioBlkDriver driver) {
        this.driver = driver;
        queue = driver.queue(0);
    }

    static GuestDisk open(GuestDevice device, DmaMemory memory) {
        return new VirtioGuestDisk(VirtioBlkDriver.open(device, memory, OPTIONS));
    }

    static GuestDisk resume(GuestDevice device, DmaMemory memory, byte[] state) {
        return new VirtioGuestDisk(VirtioBlkDriver.resume(device, memory, state, OPTIONS));
    }

    static void check(GuestDevice device, byte[] shape) {
        VirtioBlkDriver.checkFits(device, shape);
    }

    @Override
    public Kind kind() {
        return Kind.VIRTIO_BLK;
    }

    @Override
    public DmaMemory memory() {
        return driver.memory();
    }

    @Override
    public long capacityBytes() {
        return driver.capacityBytes();
    }

    @Override
    public boolean read(long offset, long buffer, int length, int tag) {
        return queue.read(offset, buffer, length, tag);
    }

    @Override
    public boolean write(long offset, long buffer, int length, int tag) {
        return queue.write(offset, buffer, length, tag);
    }

    @Override
    public void kick() {
        queue.kick();
    }

    @Override
    public void poll(Completion to) {
        handler = to;
        queue.poll(completion);
    }

    @Override
    public boolean await(long timeoutNs) {
        return queue.await(timeoutNs);
    }

    @Override
    public int inFlight() {
        return queue.inFlight();
    }

    @Override
    public void check() {
        driver.check();
    }

    @Override
    public byte[] save() {
        return driver.save();
    }

    @Override
    public void forget() {
        driver.forget();
    }

    @Override
    public void close() {
        driver.close();
    }
}
