package org.vfio4j.mdevcore;

import java.util.Map;

/**
 * The device itself, as its parent's driver made it. What else it is, the bus driver knows that the parent was registered with:
 * {@code vfio-mdev} wants a VFIO device's operations of it.
 */
public interface MdevInstance extends AutoCloseable {

    /** Its attributes by path, as {@code port0/peer}; in the order in which they are best shown. The same at all times. */
    default Map<String, MdevAttribute> attributes() {
        return Map.of();
    }

    /** Gives back all that it took of its parent. Nobody uses it any more. */
    @Override
    void close();
}
