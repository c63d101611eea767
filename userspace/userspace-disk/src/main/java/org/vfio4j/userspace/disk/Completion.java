package org.vfio4j.userspace.disk;

/** Takes completed requests, from {@link DiskQueue#poll}. */
@FunctionalInterface
public interface Completion {

    /**
     * A request is done and its place in the queue is free: new requests may be made from here.
     *
     * @param tag what the request was made with
     * @param result 0, or a negative errno: -EIO when the disk failed; -ENOTSUP when it does not know such requests; what else a kind of
     *     disk tells apart, its driver's queue says
     */
    void complete(int tag, int result);
}
