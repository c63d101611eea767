package org.vfio4j.i40e;

/**
 * A queue that a virtual function's driver has started: its context, as the physical function's driver has it (Intel X710
 * datasheet, 8.3.3.2.2 and 8.4.3.4.2).
 *
 * @param receives whether it is a receive queue
 * @param queue counted from the virtual function's first
 * @param iova where its descriptors are
 * @param descriptors how many, greater than 0
 * @param descriptorBytes 16 or 32
 * @param bufferBytes how much of a receive queue's buffer may be written; 0 for a transmit queue
 */
public record I40eRing(boolean receives, int queue, long iova, int descriptors, int descriptorBytes, int bufferBytes) {

    /** Where a descriptor is. */
    public long descriptor(int index) {
        return iova + (long) index * descriptorBytes;
    }

    public long sizeBytes() {
        return (long) descriptors * descriptorBytes;
    }
}
