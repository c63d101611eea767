package org.vfio4j.bus;

import java.time.Duration;

/**
 * A registered driver as the {@link DriverCore} sees it, whatever its bus: {@code struct device_driver}.
 *
 * @param <D> the devices of its bus
 */
interface BusDriver<D> {

    /** The driver's own. */
    String name();

    /** Who holds it. */
    DriverUsers users();

    /** Whether it may have a device. */
    boolean matches(D device);

    /** Has it take a device that it matches; what it throws it did not take. */
    void probe(D device);

    /** Has it give a device back; when it throws it has the device as before. */
    void remove(D device, Duration limit);
}
