package org.vfio4j.devicemodel;

import java.util.List;

/**
 * What a device has done, for people and monitoring. A function that counts gives it as
 * {@code PciFunction.platform(DeviceStatistics.class)}. Any thread may ask at any time; asking keeps nobody waiting.
 */
public interface DeviceStatistics {

    /** Its queues, by number: those that were ever in use. */
    List<QueueSnapshot> queues();

    /** How long its queue threads have had a processor, in nanoseconds. */
    long cpuNs();

    /** How long a command may take before it counts as slow, in nanoseconds; {@link Long#MAX_VALUE} for without end. */
    long slowNs();
}
