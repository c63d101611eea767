package org.vfio4j.cli.load;

import org.vfio4j.cli.text.Sizes;

/**
 * What a disk is measured with.
 *
 * @param workload which requests
 * @param bytes of each request
 * @param depth requests in flight at a time, on each queue
 * @param queues how many, each with a thread of its own
 * @param interrupts whether the threads sleep until the device interrupts
 * @param verify whether written blocks are tagged, and checked when they are read
 */
public record DiskLoad(Workload workload, int bytes, int depth, int queues, boolean interrupts, boolean verify) {

    /** As {@code 4 KiB random read}. */
    public String name() {
        return Sizes.format(bytes) + " " + workload.description();
    }

    /** Memory that its data needs. */
    public long bufferBytes() {
        return (long) queues * depth * bytes;
    }

    /** The same requests, of which none writes. */
    public DiskLoad reading() {
        Workload reads = workload.sequential() ? Workload.READ : Workload.RANDREAD;
        return new DiskLoad(reads, bytes, depth, queues, interrupts, false);
    }

    public DiskLoad withDepth(int requests) {
        return new DiskLoad(workload, bytes, requests, queues, interrupts, verify);
    }
}
