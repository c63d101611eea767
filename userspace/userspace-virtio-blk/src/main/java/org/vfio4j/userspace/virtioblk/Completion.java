package org.vfio4j.userspace.virtioblk;

/** Takes completed requests, from {@link VirtioBlkQueue#poll}. */
@FunctionalInterface
public interface Completion {

    /**
     * A request is done and its place in the queue is free: new requests may be made from here.
     *
     * @param tag what the request was made with
     * @param result 0, or a negative errno: -EIO when the disk failed, -ENOTSUP when it does not know such requests, -EPROTO for
     *     a status that does not exist
     */
    void complete(int tag, int result);
}
