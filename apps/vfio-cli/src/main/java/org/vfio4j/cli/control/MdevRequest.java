package org.vfio4j.cli.control;

import java.time.Duration;
import java.util.List;
import java.util.Set;
import org.vfio4j.cli.mdev.MdevDefinition;
import org.vfio4j.cli.text.Output;

/**
 * A request about mdevs.
 *
 * @param kind {@link #TYPES}, {@link #LIST}, {@link #START} or {@link #STOP}
 * @param uuid for START and STOP
 * @param parent for START
 * @param type for START
 * @param socket for START: where it is served, an absolute path
 * @param attrs for START: set one after the other
 * @param timeoutMs for STOP: how long to wait for its user
 */
public record MdevRequest(
        String kind,
        String uuid,
        String parent,
        String type,
        String socket,
        List<MdevDefinition.Attribute> attrs,
        long timeoutMs)
        implements Request {

    public static final String TYPES = "MdevTypes";
    public static final String LIST = "MdevList";
    public static final String START = "MdevStart";
    static final String STOP = "MdevStop";

    static final RequestForm<MdevRequest> FORM = RequestForm.of(MdevRequest.class, TYPES, LIST, START, STOP);

    /** The whole line by which a client asks to be told what happens, see {@link MdevEvents}. */
    public static final String MONITOR_LINE =
            "{\"apiVersion\":\"" + Output.API_VERSION + "\",\"kind\":\"MdevMonitor\"}";

    public MdevRequest {
        Request.checkTimeout(timeoutMs);
    }

    public static MdevRequest ask(String kind) {
        return new MdevRequest(kind, "", "", "", "", List.of(), 0);
    }

    public static MdevRequest start(MdevDefinition definition, String socket) {
        return new MdevRequest(
                START,
                definition.uuid().toString(),
                definition.parent(),
                definition.type(),
                socket,
                definition.attributes(),
                0);
    }

    public static MdevRequest stop(String uuid, long timeoutMs) {
        return new MdevRequest(STOP, uuid, "", "", "", List.of(), timeoutMs);
    }

    /** Whether something is different once it is done. */
    boolean changes() {
        return kind.equals(START) || kind.equals(STOP);
    }

    @Override
    public Duration timeout() {
        return Duration.ofMillis(timeoutMs);
    }

    @Override
    public String line() {
        return FORM.line(this, Set.of());
    }
}
