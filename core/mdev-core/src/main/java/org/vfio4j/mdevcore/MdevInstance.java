package org.vfio4j.mdevcore;

import java.util.Map;
import java.util.Optional;

/**
 * The device itself, as its parent's driver made it. What else it is, the bus driver knows that the parent was registered with:
 * {@code vfio-mdev} wants a VFIO device's operations of it.
 */
public interface MdevInstance extends AutoCloseable {

    /** Its attributes by path, as {@code port0/peer}; in the order in which they are best shown. The same at all times. */
    default Map<String, MdevAttribute> attributes() {
        return Map.of();
    }

    /**
     * What is known of it beyond what it is as a device, such as what it has done: as {@code PciFunction.platform} is of a function.
     *
     * @param type of what is wanted
     */
    default <T> Optional<T> platform(Class<T> type) {
        return Optional.empty();
    }

    /** Gives back all that it took of its parent. Nobody uses it any more. */
    @Override
    void close();
}
