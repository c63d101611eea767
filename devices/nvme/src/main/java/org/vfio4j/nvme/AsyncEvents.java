package org.vfio4j.nvme;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;

/**
 * Asynchronous Event Requests that are held, and events that wait for one (Base 5.2). An event that was reported masks others of its
 * type until the driver reads its log page; further ones wait meanwhile, each kind once. Belongs to the queue thread.
 */
final class AsyncEvents {

    // Asynchronous Event Type; Base figure 145.
    static final int TYPE_ERROR = 0;
    static final int TYPE_SMART = 1;
    static final int TYPE_NOTICE = 2;
    static final int TYPES = 8;

    /** More kinds of events than there are never wait. */
    static final int MAX_PENDING = 64;

    static final int MAX_DW0 = 0xff_ff07;

    // Asynchronous Event Information; Base figures 146 to 148.
    static final int ERROR_INVALID_DOORBELL_REGISTER = 0;
    static final int ERROR_INVALID_DOORBELL_VALUE = 1;
    static final int SMART_RELIABILITY = 0;
    static final int SMART_TEMPERATURE = 1;
    static final int SMART_SPARE = 2;
    static final int NOTICE_NAMESPACE_ATTRIBUTE_CHANGED = 0;

    /** Asynchronous Event Configuration's bit for {@link #NOTICE_NAMESPACE_ATTRIBUTE_CHANGED}, which OAES has too. */
    static final int NAMESPACE_ATTRIBUTE_NOTICES = 1 << 8;

    /** What can be switched on: the SMART warnings and the notices that there are. */
    static final int CONFIGURABLE = 0xff | NAMESPACE_ATTRIBUTE_NOTICES;

    /** For each SMART information, the critical warnings that it is about. */
    private static final int[] SMART_WARNINGS = {0x3c, 0x02, 0x01};

    private final ControllerHooks controller;
    private final ArrayDeque<Integer> held = new ArrayDeque<>();
    private final List<Event> pending = new ArrayList<>();

    /** By type, the log page whose reading unmasks it, or -1. */
    private final int[] maskedUntil = new int[TYPES];

    private int configuration;

    /** DW0 of the completion. */
    record Event(int type, int information, int logPage) {

        int dw0() {
            return type | (information << 8) | (logPage << 16);
        }

        static Event of(int dw0) {
            return new Event(dw0 & 7, (dw0 >>> 8) & 0xff, (dw0 >>> 16) & 0xff);
        }
    }

    AsyncEvents(ControllerHooks controller) {
        this.controller = controller;
        reset();
    }

    /** Asynchronous Event Configuration (Base 5.27.1.8). */
    int configuration() {
        return configuration;
    }

    /** Events that are not wanted are dropped from now on; a bit of an event that there is not is no event wanted. */
    void configure(int cdw11) {
        configuration = cdw11 & CONFIGURABLE;
    }

    /** Holds a request, or refuses it. It may be completed at once. */
    int request(int cid) {
        if (held.contains(cid)) {
            return AdminHandler.HELD; // the same command, carried out again
        }
        if (held.size() == NvmeLimits.MAX_ASYNC_EVENT_REQUESTS) {
            return NvmeStatus.ASYNCHRONOUS_EVENT_REQUEST_LIMIT_EXCEEDED | NvmeStatus.DNR;
        }
        held.add(cid);
        deliver();
        return AdminHandler.HELD;
    }

    /** Whether the request was held; it is not any more. */
    boolean abort(int cid) {
        return held.remove(cid);
    }

    /** Something happened. It is reported now, later, or not at all when the driver does not want to know. */
    void report(int type, int information, int logPage) {
        Event event = new Event(type & (TYPES - 1), information & 0xff, logPage & 0xff);
        if (isWanted(event) && !pending.contains(event) && pending.size() < MAX_PENDING) {
            pending.add(event);
            deliver();
        }
    }

    /** The driver has read a log page and did not want to retain its event. What waits because of that page is known to it now. */
    void logRead(int logPage) {
        pending.removeIf(event -> event.logPage == logPage);
        for (int type = 0; type < TYPES; type++) {
            if (maskedUntil[type] == logPage) {
                maskedUntil[type] = -1;
            }
        }
        deliver();
    }

    void reset() {
        held.clear();
        pending.clear();
        Arrays.fill(maskedUntil, -1);
        configuration = 0;
    }

    private boolean isWanted(Event event) {
        return switch (event.type) {
            case TYPE_ERROR -> true;
            case TYPE_SMART ->
                event.information < SMART_WARNINGS.length && (configuration & SMART_WARNINGS[event.information]) != 0;
            case TYPE_NOTICE ->
                event.information == NOTICE_NAMESPACE_ATTRIBUTE_CHANGED
                        && (configuration & NAMESPACE_ATTRIBUTE_NOTICES) != 0;
            default -> false;
        };
    }

    private void deliver() {
        for (Iterator<Event> events = pending.iterator(); events.hasNext() && !held.isEmpty(); ) {
            Event event = events.next();
            if (maskedUntil[event.type] < 0) {
                events.remove();
                maskedUntil[event.type] = event.logPage;
                controller.complete(held.remove(), event.dw0(), NvmeStatus.SUCCESSFUL_COMPLETION);
            }
        }
    }

    /** The held requests, the masks, and what waits, for {@link #load}. */
    State save() {
        return new State(
                configuration,
                List.copyOf(held),
                maskedUntil.clone(),
                pending.stream().map(Event::dw0).toList());
    }

    void load(State state) {
        reset();
        configuration = state.configuration;
        held.addAll(state.held);
        System.arraycopy(state.maskedUntil, 0, maskedUntil, 0, TYPES);
        state.pending.forEach(dw0 -> pending.add(Event.of(dw0)));
    }

    /**
     * All there is to it.
     *
     * @param held command identifiers
     * @param maskedUntil by type, a log page or -1
     * @param pending events as in DW0
     */
    record State(int configuration, List<Integer> held, int[] maskedUntil, List<Integer> pending) {}
}
