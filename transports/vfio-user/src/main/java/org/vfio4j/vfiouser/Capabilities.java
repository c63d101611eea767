package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EINVAL;

import java.math.BigDecimal;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;

/**
 * What one side of a connection can do, as its VERSION message says (vfio-user specification, VFIO_USER_VERSION).
 *
 * @param maxMsgFds descriptors that it takes in one message
 * @param maxDataXferSize bytes of data that it takes in one message
 * @param maxDmaMaps maps that it keeps at once
 * @param pgsizes page sizes for DMA maps, or'ed together
 * @param writeMultiple whether it takes REGION_WRITE_MULTI
 * @param twinSocket whether the server's requests go over a socket of their own, or may
 * @param twinFdIndex which descriptor of a server's message is that socket; {@link #NO_FD} when it does not say
 */
record Capabilities(
        int maxMsgFds,
        int maxDataXferSize,
        int maxDmaMaps,
        long pgsizes,
        boolean writeMultiple,
        boolean twinSocket,
        int twinFdIndex) {

    static final int NO_FD = -1;

    /** What holds for a peer that says nothing. */
    static final Capabilities DEFAULTS = new Capabilities(1, 1 << 20, 65535, 4096, false, false, NO_FD);

    private static final long PAGE_SIZE = 4096;
    private static final int MAX_MSG_FDS_LIMIT = 1024;

    /** What vfio4j's own ends of a connection say, but for these limits. */
    static Capabilities of(int maxMsgFds, int maxDataXferSize, int maxDmaMaps) {
        return new Capabilities(maxMsgFds, maxDataXferSize, maxDmaMaps, PAGE_SIZE, true, false, NO_FD);
    }

    /**
     * Reads the JSON text of a VERSION message.
     *
     * @throws ErrnoException EINVAL when it is no JSON object, or a capability has the wrong type or an impossible value
     */
    static Capabilities parse(String text) {
        if (!(JsonParser.parse(text) instanceof Json.Obj top)) {
            throw new ErrnoException(EINVAL, "version data: not an object");
        }
        Optional<Json.Obj> found = object(top, "capabilities");
        if (found.isEmpty()) {
            return DEFAULTS;
        }
        Json.Obj caps = found.get();
        checkMigration(caps);
        Optional<Json.Obj> twin = object(caps, "twin_socket");
        return new Capabilities(
                (int) number(caps, "max_msg_fds", 0, MAX_MSG_FDS_LIMIT, DEFAULTS.maxMsgFds),
                (int) Math.min(
                        number(caps, "max_data_xfer_size", 1, Long.MAX_VALUE, DEFAULTS.maxDataXferSize),
                        Integer.MAX_VALUE),
                (int) Math.min(number(caps, "max_dma_maps", 0, Long.MAX_VALUE, DEFAULTS.maxDmaMaps), Integer.MAX_VALUE),
                number(caps, "pgsizes", 1, Long.MAX_VALUE, DEFAULTS.pgsizes),
                bool(caps, "write_multiple", DEFAULTS.writeMultiple),
                twin.isPresent() && bool(twin.get(), "supported", false),
                twin.isPresent() ? (int) number(twin.get(), "fd_index", 0, Integer.MAX_VALUE, NO_FD) : NO_FD);
    }

    /** The same with a socket for the server's requests, or with the wish for one. */
    Capabilities withTwinSocket(int fdIndex) {
        return new Capabilities(maxMsgFds, maxDataXferSize, maxDmaMaps, pgsizes, writeMultiple, true, fdIndex);
    }

    /**
     * The JSON text for a VERSION message. Short, because QEMU takes no reply that is longer than its request: what equals
     * the default is left out, but for the two that every peer looks for.
     */
    String toJson() {
        StringBuilder out = new StringBuilder("{\"capabilities\":{");
        out.append("\"max_msg_fds\":").append(maxMsgFds);
        out.append(",\"max_data_xfer_size\":").append(maxDataXferSize);
        if (maxDmaMaps != DEFAULTS.maxDmaMaps) {
            out.append(",\"max_dma_maps\":").append(maxDmaMaps);
        }
        out.append(",\"pgsizes\":").append(pgsizes);
        if (writeMultiple) {
            out.append(",\"write_multiple\":true");
        }
        if (twinSocket) {
            out.append(",\"twin_socket\":{\"supported\":true");
            if (twinFdIndex != NO_FD) {
                out.append(",\"fd_index\":").append(twinFdIndex);
            }
            out.append('}');
        }
        return out.append("}}").toString();
    }

    /** An older way to announce migration: of no use here, but its page size has to be one that both sides know. */
    private static void checkMigration(Json.Obj caps) {
        Optional<Json.Obj> migration = object(caps, "migration");
        if (migration.isPresent()) {
            number(migration.get(), "pgsize", PAGE_SIZE, PAGE_SIZE, PAGE_SIZE);
        }
    }

    private static Optional<Json.Obj> object(Json.Obj parent, String name) {
        Optional<Json> value = parent.member(name);
        if (value.isEmpty()) {
            return Optional.empty();
        }
        if (value.get() instanceof Json.Obj object) {
            return Optional.of(object);
        }
        throw new ErrnoException(EINVAL, "version data: " + name + " is not an object");
    }

    private static long number(Json.Obj parent, String name, long least, long most, long otherwise) {
        Optional<Json> value = parent.member(name);
        if (value.isEmpty()) {
            return otherwise;
        }
        if (!(value.get() instanceof Json.Num number)) {
            throw new ErrnoException(EINVAL, "version data: " + name + " is not a number");
        }
        BigDecimal given = number.value();
        boolean whole = given.scale() <= 0 || given.stripTrailingZeros().scale() <= 0;
        if (!whole || given.compareTo(BigDecimal.valueOf(least)) < 0 || given.compareTo(BigDecimal.valueOf(most)) > 0) {
            throw new ErrnoException(
                    EINVAL, "version data: " + name + " is " + given + ", not from " + least + " to " + most);
        }
        return given.longValueExact();
    }

    private static boolean bool(Json.Obj parent, String name, boolean otherwise) {
        Optional<Json> value = parent.member(name);
        if (value.isEmpty()) {
            return otherwise;
        }
        if (value.get() instanceof Json.Bool bool) {
            return bool.value();
        }
        throw new ErrnoException(EINVAL, "version data: " + name + " is not a boolean");
    }
}
