package org.vfio4j.userspace.nvme;

/** Takes completed requests, from {@link NvmeQueue#poll}. */
@FunctionalInterface
public interface Completion {

    /**
     * A request is done and its place in the queue is free: new requests may be made from here.
     *
     * @param tag what the request was made with
     * @param result 0, or a negative errno: -EILSEQ when a compare finds other data, -EINVAL, -ENOTSUP, -EROFS and -ENOSPC for what
     *     NVMe says in these words, -EIO for everything else. {@link NvmeQueue#status} has the controller's own word
     */
    void complete(int tag, int result);
}
