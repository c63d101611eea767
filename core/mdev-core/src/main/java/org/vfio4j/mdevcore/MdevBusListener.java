package org.vfio4j.mdevcore;

/**
 * Hears what happens on a bus, after it happened, one change after the other and in one order. What there is already it hears of
 * when it is added. It may look at the bus, and must not change it.
 */
public interface MdevBusListener {

    /** A device has become a parent: the event {@code MDEV_STATE=registered}. */
    void registered(MdevParent parent);

    /** It is none any more: {@code MDEV_STATE=unregistered}. Its devices went before. */
    void unregistered(MdevParent parent);

    /** A device is there whole: it has its driver. */
    void added(MdevDevice device);

    void removed(MdevDevice device);
}
