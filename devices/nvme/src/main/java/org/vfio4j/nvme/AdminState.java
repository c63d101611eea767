package org.vfio4j.nvme;

import static org.vfio4j.sys.Errno.EINVAL;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;

/**
 * What the admin commands have made of a controller, for another one with the same namespaces. Read as a whole before any of it is
 * put in place. Saved, it is little-endian, each list after its length; whoever carries it says which version it is.
 */
record AdminState(
        List<NamespaceState> namespaces,
        Features.State features,
        AsyncEvents.State events,
        long[] changed,
        long timestamp,
        SmartLog.Counters counters,
        int temperature,
        int over,
        int under,
        long errors,
        byte[] errorPage,
        Optional<FormatCommand.Job> format) {

    private static final int MAX_BYTES = 1 << 16;
    private static final int FLAG_ATTACHED = 1;
    private static final int FLAG_WRITE_PROTECTED = 2;
    private static final int MAX_CID = 0xffff;

    /** A namespace's, as far as the driver can change it. */
    record NamespaceState(int nsid, long sizeBytes, int flags, int format, int errorRecovery) {}

    static AdminState take(NamespaceTable namespaces, AdminCommands.Parts parts) {
        SmartLog smart = parts.smart();
        return new AdminState(
                namespaces.allocated().stream().map(AdminState::of).toList(),
                parts.features().save(),
                parts.events().save(),
                parts.changed().save(),
                parts.timestamp().save(),
                smart.counters(),
                smart.temperatureKelvin(),
                smart.overKelvin(),
                smart.underKelvin(),
                parts.errors().count(),
                parts.errors().page().array(),
                Optional.ofNullable(parts.format().job()));
    }

    private static NamespaceState of(NvmeNamespace n) {
        int flags = (n.attached ? FLAG_ATTACHED : 0) | (n.writeProtected ? FLAG_WRITE_PROTECTED : 0);
        return new NamespaceState(n.nsid(), n.sizeBytes(), flags, n.format(), n.errorRecovery);
    }

    /** Makes a controller have this state; the namespaces are those that it was checked against. */
    void put(NamespaceTable into, AdminCommands.Parts parts) {
        parts.format().forget();
        for (NamespaceState state : namespaces) {
            NvmeNamespace namespace = into.allocated(state.nsid);
            if (namespace != null) {
                namespace.attached = (state.flags & FLAG_ATTACHED) != 0;
                namespace.writeProtected = (state.flags & FLAG_WRITE_PROTECTED) != 0;
                namespace.errorRecovery = state.errorRecovery;
                namespace.setFormat(state.format);
            }
        }
        parts.errors().load(errors, ByteBuffer.wrap(errorPage));
        parts.changed().load(changed);
        parts.timestamp().load(timestamp);
        parts.smart().load(counters, temperature, over, under);
        parts.features().load(features);
        parts.events().load(events);
        format.ifPresent(parts.format()::begin);
    }

    byte[] toBytes() {
        ByteBuffer to = ByteBuffer.allocate(MAX_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        to.putInt(namespaces.size());
        for (NamespaceState n : namespaces) {
            to.putInt(n.nsid)
                    .putLong(n.sizeBytes)
                    .putInt(n.flags)
                    .putInt(n.format)
                    .putInt(n.errorRecovery);
        }
        to.putInt(features.current().length);
        for (int value : features.current()) {
            to.putInt(value);
        }
        to.putInt(features.coalescingDisabled().length);
        for (boolean disabled : features.coalescingDisabled()) {
            to.put((byte) (disabled ? 1 : 0));
        }
        to.putInt(features.hostBehavior().length).put(features.hostBehavior());
        putEvents(to);
        to.putInt(changed.length);
        for (long nsids : changed) {
            to.putLong(nsids);
        }
        to.putLong(timestamp);
        to.putLong(counters.readBytes()).putLong(counters.writtenBytes());
        to.putLong(counters.reads()).putLong(counters.writes()).putLong(counters.mediaErrors());
        to.putLong(counters.powerCycles()).putLong(counters.poweredOnSeconds());
        to.putInt(temperature).putInt(over).putInt(under);
        to.putLong(errors).put(errorPage);
        to.put((byte) (format.isPresent() ? 1 : 0));
        format.ifPresent(job ->
                to.putInt(job.cid()).putInt(job.nsid()).putInt(job.format()).putLong(job.done()));
        byte[] bytes = new byte[to.position()];
        to.get(0, bytes);
        return bytes;
    }

    private void putEvents(ByteBuffer to) {
        to.putInt(events.configuration()).putInt(events.held().size());
        events.held().forEach(to::putInt);
        to.putInt(events.maskedUntil().length);
        for (int logPage : events.maskedUntil()) {
            to.putInt(logPage);
        }
        to.putInt(events.pending().size());
        events.pending().forEach(to::putInt);
    }

    /**
     * Reads what {@link #toBytes} has written.
     *
     * @param into the namespaces of the controller that is to get it
     * @throws ErrnoException EINVAL with the reason, when it is none, or not one of a controller with these namespaces
     */
    static AdminState parse(byte[] bytes, NamespaceTable into) {
        ByteBuffer from = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        try {
            AdminState state = new AdminState(
                    parseNamespaces(from, into),
                    parseFeatures(from),
                    parseEvents(from),
                    parseChanged(from, into.count()),
                    from.getLong(),
                    parseCounters(from),
                    parseRange(from, "temperature", 0, 0xffff),
                    parseRange(from, "threshold", 0, 0xffff),
                    parseRange(from, "threshold", 0, 0xffff),
                    parseErrors(from),
                    get(from, ErrorLog.SIZE),
                    parseJob(from, into));
            require(!from.hasRemaining(), from.remaining() + " bytes behind its end");
            return state;
        } catch (BufferUnderflowException e) {
            ErrnoException cut = refused("cut short at " + bytes.length + " bytes");
            cut.initCause(e);
            throw cut;
        }
    }

    private static List<NamespaceState> parseNamespaces(ByteBuffer from, NamespaceTable into) {
        int count = from.getInt();
        int expected = into.allocated().size();
        require(count == expected, count + " namespaces, the controller has " + expected);
        List<NamespaceState> all = new ArrayList<>();
        for (NvmeNamespace namespace : into.allocated()) {
            NamespaceState state = new NamespaceState(
                    from.getInt(),
                    from.getLong(),
                    parseRange(from, "flags", 0, FLAG_ATTACHED | FLAG_WRITE_PROTECTED),
                    parseRange(from, "LBA format", 0, LbaFormat.count() - 1),
                    parseRange(from, "error recovery", 0, Feature.ERROR_RECOVERY.mask()));
            require(
                    state.nsid == namespace.nsid() && state.sizeBytes == namespace.sizeBytes(),
                    "namespace " + state.nsid + " of " + state.sizeBytes + " bytes, the controller has "
                            + namespace.nsid() + " of " + namespace.sizeBytes());
            require(namespace.canHave(state.format), "namespace " + state.nsid + " of less than a block");
            all.add(state);
        }
        return all;
    }

    private static Features.State parseFeatures(ByteBuffer from) {
        Feature[] all = Feature.values();
        parseRange(from, "count of features", all.length, all.length);
        int[] current = new int[all.length];
        for (Feature feature : all) {
            int value = from.getInt();
            require((value & ~feature.mask()) == 0, feature + " of 0x" + Integer.toHexString(value));
            current[feature.ordinal()] = value;
        }
        int queues = current[Feature.NUMBER_OF_QUEUES.ordinal()];
        require((queues & 0xffff) != 0xffff && queues >>> 16 != 0xffff, "more queues than there can be");
        boolean[] coalescingDisabled = new boolean[parseRange(from, "vectors", 0, 0xffff)];
        for (int i = 0; i < coalescingDisabled.length; i++) {
            coalescingDisabled[i] = from.get() != 0;
        }
        int flags = parseRange(from, "host behaviour", 0, Integer.BYTES);
        byte[] hostBehavior = new byte[Features.HOST_BEHAVIOR_FLAGS];
        require(flags == hostBehavior.length, flags + " bytes of host behaviour, not " + hostBehavior.length);
        from.get(hostBehavior);
        return new Features.State(current, coalescingDisabled, hostBehavior);
    }

    private static AsyncEvents.State parseEvents(ByteBuffer from) {
        int configuration = parseRange(from, "event configuration", 0, AsyncEvents.CONFIGURABLE);
        List<Integer> held = new ArrayList<>();
        for (int i = parseRange(from, "held requests", 0, NvmeLimits.MAX_ASYNC_EVENT_REQUESTS); i > 0; i--) {
            held.add(parseRange(from, "command", 0, MAX_CID));
        }
        int[] maskedUntil = new int[parseRange(from, "event types", AsyncEvents.TYPES, AsyncEvents.TYPES)];
        for (int i = 0; i < maskedUntil.length; i++) {
            maskedUntil[i] = parseRange(from, "log page", -1, 0xff);
        }
        List<Integer> pending = new ArrayList<>();
        for (int i = parseRange(from, "events", 0, AsyncEvents.MAX_PENDING); i > 0; i--) {
            pending.add(parseRange(from, "event", 0, AsyncEvents.MAX_DW0));
        }
        return new AsyncEvents.State(configuration, held, maskedUntil, pending);
    }

    private static long[] parseChanged(ByteBuffer from, int count) {
        long[] changed = new long[parseRange(from, "changed namespaces", 0, count / Long.SIZE + 1)];
        for (int i = 0; i < changed.length; i++) {
            changed[i] = from.getLong();
        }
        int highest = BitSet.valueOf(changed).length() - 1;
        require(highest <= count, "namespace " + highest + " changed, of " + count);
        return changed;
    }

    private static SmartLog.Counters parseCounters(ByteBuffer from) {
        return new SmartLog.Counters(
                from.getLong(),
                from.getLong(),
                from.getLong(),
                from.getLong(),
                from.getLong(),
                from.getLong(),
                from.getLong());
    }

    private static long parseErrors(ByteBuffer from) {
        long errors = from.getLong();
        require(errors >= 0, errors + " errors");
        return errors;
    }

    private static Optional<FormatCommand.Job> parseJob(ByteBuffer from, NamespaceTable into) {
        if (from.get() == 0) {
            return Optional.empty();
        }
        FormatCommand.Job job = new FormatCommand.Job(
                parseRange(from, "command", FormatCommand.NO_COMMAND, MAX_CID),
                from.getInt(),
                parseRange(from, "LBA format", 0, LbaFormat.count() - 1),
                from.getLong());
        NvmeNamespace namespace = into.allocated(job.nsid());
        require(
                namespace != null
                        && namespace.canHave(job.format())
                        && job.done() >= 0
                        && job.done() < namespace.sizeBytes()
                        && job.done() % FormatCommand.PIECE_BYTES == 0,
                "a format of namespace " + job.nsid() + " at " + job.done());
        return Optional.of(job);
    }

    private static byte[] get(ByteBuffer from, int length) {
        byte[] bytes = new byte[length];
        from.get(bytes);
        return bytes;
    }

    private static int parseRange(ByteBuffer from, String what, int min, int max) {
        int value = from.getInt();
        require(value >= min && value <= max, what + " of " + value + ", the limits are " + min + " and " + max);
        return value;
    }

    private static void require(boolean holds, String reason) {
        if (!holds) {
            throw refused(reason);
        }
    }

    private static ErrnoException refused(String reason) {
        return new ErrnoException(EINVAL, "load state of admin commands: " + reason);
    }
}
