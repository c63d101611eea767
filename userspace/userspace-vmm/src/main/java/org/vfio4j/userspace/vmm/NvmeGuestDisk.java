package org.vfio4j.userspace.vmm;

import org.vfio4j.userspace.dma.DmaMemory;
import org.vfio4j.userspace.nvme.NvmeDriver;
import org.vfio4j.userspace.nvme.NvmeOptions;
import org.vfio4j.userspace.nvme.NvmeQueue;

/** A namespace of an NVMe controller. Doorbells are in the guest's memory, where they move with it. */
final class NvmeGuestDisk implements GuestDisk {

    private static final NvmeOptions OPTIONS =
            NvmeOptions.DEFAULTS.withQueues(1).withQueueSize(256).withDoorbells(NvmeOptions.Doorbells.SHADOW);

    private final NvmeDriver driver;
    private final NvmeQueue queue;
    private Completion handler = (tag, result) -> {};
    private final org.vfio4j.userspace.nvme.Completion completion = (tag, result) -> handler.complete(tag, result);

    private NvmeGuestDisk(NvmeDriver driver) {
        this.driver = driver;
        queue = driver.queue(0);
    }

    static GuestDisk open(GuestDevice device, DmaMemory memory) {
        return new NvmeGuestDisk(NvmeDriver.open(device, memory, OPTIONS));
    }

    static GuestDisk resume(GuestDevice device, DmaMemory memory, byte[] state) {
        return new NvmeGuestDisk(NvmeDriver.resume(device, memory, state, OPTIONS));
    }

    static void check(GuestDevice device, byte[] shape) {
        NvmeDriver.checkFits(device, shape);
    }

    @Override
    public Kind kind() {
        return Kind.NVME;
    }

    @Override
    public DmaMemory memory() {
        return driver.memory();
    }

    @Override
    public long capacityBytes() {
        return driver.namespace().capacityBytes();
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
