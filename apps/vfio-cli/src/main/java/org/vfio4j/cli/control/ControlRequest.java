package org.vfio4j.cli.control;

import java.time.Duration;
import java.util.Set;
import org.vfio4j.cli.text.Output;

/**
 * A request about a function as the bus and VFIO have it.
 *
 * @param kind {@link #BIND}, {@link #UNBIND}, {@link #SHOW} or {@link #STATISTICS}
 * @param address the function's, as {@code 0000:00:01.0}, or an auxiliary device's name; for STATISTICS empty for all
 * @param driver for BIND: its VFIO driver, empty for the one that knows it best
 * @param timeoutMs for UNBIND: how long to wait for its user
 * @param queues for STATISTICS: whether each queue is told by itself too
 */
public record ControlRequest(String kind, String address, String driver, long timeoutMs, boolean queues)
        implements Request {

    static final String BIND = "Bind";
    static final String UNBIND = "Unbind";
    static final String SHOW = "Show";
    static final String STATISTICS = "Statistics";

    static final RequestForm<ControlRequest> FORM =
            RequestForm.of(ControlRequest.class, BIND, UNBIND, SHOW, STATISTICS);

    /** The whole request of a process that wants to take over; what follows is {@code UpgradeSource}'s. */
    public static final String UPGRADE = "{\"apiVersion\":\"" + Output.API_VERSION + "\",\"kind\":\"Upgrade\"}";

    /** The kind of a reply that says what failed. */
    public static final String ERROR = "Error";

    public ControlRequest {
        Request.checkTimeout(timeoutMs);
    }

    public static ControlRequest bind(String address, String driver) {
        return new ControlRequest(BIND, address, driver, 0, false);
    }

    public static ControlRequest unbind(String address, long timeoutMs) {
        return new ControlRequest(UNBIND, address, "", timeoutMs, false);
    }

    static ControlRequest statistics(String address, boolean queues) {
        return new ControlRequest(STATISTICS, address, "", 0, queues);
    }

    public static ControlRequest show(String address) {
        return new ControlRequest(SHOW, address, "", 0, false);
    }

    @Override
    public Duration timeout() {
        return Duration.ofMillis(timeoutMs);
    }

    @Override
    public String line() {
        // Older processes refuse fields that they do not know.
        return FORM.line(this, kind.equals(STATISTICS) ? Set.of("driver", "timeoutMs") : Set.of("queues"));
    }
}
