package org.vfio4j.devicemodel;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/** The statistics of a device's queues, which begin when a queue is used for the first time and last as long as the device. */
public final class DeviceRecorder implements DeviceStatistics {

    /** A command that takes longer is slow, unless somebody decides otherwise. */
    public static final long DEFAULT_SLOW_NS = 10_000_000;

    private final AtomicReferenceArray<@Nullable QueueStatistics> queues;
    private final SlowCommands slowCommands;
    private final LongSupplier cpuNs;

    /**
     * @param name of the device, in what is told of slow commands
     * @param queues how many it can have
     * @param slowNs how long a command may take; {@link Long#MAX_VALUE} for without end
     * @param cpuNs what {@link #cpuNs} answers, as {@link QueueThread#cpuNs}
     */
    public DeviceRecorder(String name, int queues, long slowNs, LongSupplier cpuNs) {
        this.queues = new AtomicReferenceArray<>(queues);
        slowCommands = new SlowCommands(name, slowNs);
        this.cpuNs = cpuNs;
    }

    /**
     * The counters of one queue: the same each time. From any thread.
     *
     * @param number from 0
     */
    public QueueStatistics queue(int number) {
        QueueStatistics found = queues.getAcquire(number);
        if (found == null) {
            queues.compareAndSet(number, null, new QueueStatistics(number, slowCommands));
            found = Objects.requireNonNull(queues.getAcquire(number));
        }
        return found;
    }

    @Override
    public List<QueueSnapshot> queues() {
        List<QueueSnapshot> used = new ArrayList<>();
        for (int i = 0; i < queues.length(); i++) {
            QueueStatistics each = queues.getAcquire(i);
            if (each != null) {
                used.add(each.snapshot());
            }
        }
        return used;
    }

    @Override
    public long cpuNs() {
        return cpuNs.getAsLong();
    }

    @Override
    public long slowNs() {
        return slowCommands.thresholdNs();
    }
}
