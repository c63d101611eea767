package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.NSID_BROADCAST;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Get Features and Set Features (Base 5.15, 5.27). Which features there are is in {@link Feature}. Belongs to the queue thread. */
final class Features {

    /** SEL of Get Features; Base figure 186. */
    private static final int SEL_SHIFT = 8;

    private static final int SEL_MASK = 7;
    private static final int SEL_CURRENT = 0;
    private static final int SEL_DEFAULT = 1;
    private static final int SEL_SAVED = 2;
    private static final int SEL_CAPABILITIES = 3;

    /** Set Features, CDW10: save it too. */
    private static final int SV = 1 << 31;

    // Temperature Threshold, CDW11.
    private static final int TMPSEL_SHIFT = 16;
    private static final int TMPSEL_MASK = 0xf;
    private static final int TMPSEL_COMPOSITE = 0;
    private static final int TMPSEL_ALL = 0xf;
    private static final int THSEL_SHIFT = 20;
    private static final int THSEL_MASK = 3;
    private static final int THSEL_OVER = 0;
    private static final int THSEL_UNDER = 1;

    private static final int POWER_STATE_MASK = 0x1f;
    private static final int TOO_MANY_QUEUES = 0xffff;
    private static final int VECTOR_MASK = 0xffff;
    private static final int COALESCING_DISABLED = 1 << 16;

    /** DULBE, in Error Recovery: an error of reads that no namespace here can give. */
    private static final int DULBE = 1 << 16;

    // Host Behavior Support; Base figure 344.
    static final int HOST_BEHAVIOR_FLAGS = 3;

    private final NamespaceTable namespaces;
    private final SmartLog smart;
    private final AsyncEvents events;
    private final ChangedNamespaces changed;
    private final Timestamp timestamp;
    private final ControllerHooks controller;

    /** By {@link Feature}'s ordinal, those that are a number and nothing else. */
    private final int[] current = new int[Feature.values().length];

    private final boolean[] coalescingDisabled;
    private final byte[] hostBehavior = new byte[HOST_BEHAVIOR_FLAGS];

    Features(
            NamespaceTable namespaces,
            SmartLog smart,
            AsyncEvents events,
            ChangedNamespaces changed,
            Timestamp timestamp,
            ControllerHooks controller) {
        this.namespaces = namespaces;
        this.smart = smart;
        this.events = events;
        this.changed = changed;
        this.timestamp = timestamp;
        this.controller = controller;
        coalescingDisabled = new boolean[controller.vectors()];
        reset();
    }

    /** A controller level reset. The time goes on, and write protection stays with the namespaces. */
    void reset() {
        for (Feature feature : Feature.values()) {
            current[feature.ordinal()] = defaultOf(feature, 0);
        }
        Arrays.fill(coalescingDisabled, false);
        Arrays.fill(hostBehavior, (byte) 0);
        namespaces.allocated().forEach(namespace -> namespace.errorRecovery = 0);
        smart.resetThresholds();
        tellController();
    }

    /** Bytes of the structure that a Get Features or Set Features command moves. */
    static int dataBytes(AdminCommand command, boolean isGet) {
        Feature feature = Feature.of(command.cdw10() & 0xff);
        boolean isAboutFeature = isGet && select(command) == SEL_CAPABILITIES;
        return feature == null || isAboutFeature ? 0 : feature.dataBytes();
    }

    /** Whether what a Set Features command sets must be the same for a write from its beginning to its end. */
    static boolean stopsQueues(AdminCommand command) {
        Feature feature = Feature.of(command.cdw10() & 0xff);
        return feature == Feature.VOLATILE_WRITE_CACHE || feature == Feature.NAMESPACE_WRITE_PROTECTION_CONFIG;
    }

    /** Get Features. */
    int get(AdminCommand command) {
        Feature feature = Feature.of(command.cdw10() & 0xff);
        int select = select(command);
        if (feature == null || select > SEL_CAPABILITIES) {
            return refuse(NvmeStatus.INVALID_FIELD_IN_COMMAND);
        }
        NvmeNamespace namespace = namespaces.active(command.nsid());
        if (feature.isNamespaceSpecific() && namespace == null) {
            return refuse(
                    namespaces.isValid(command.nsid())
                            ? NvmeStatus.INVALID_FIELD_IN_COMMAND
                            : NvmeStatus.INVALID_NAMESPACE_OR_FORMAT);
        }
        if (!hasCurrent(feature, command.cdw11())) {
            return refuse(NvmeStatus.INVALID_FIELD_IN_COMMAND);
        }
        switch (select) {
            case SEL_CURRENT -> giveCurrent(feature, command, namespace);
            case SEL_DEFAULT, SEL_SAVED ->
                command.setResult(defaultOf(feature, command.cdw11())); // zeroes for structures
            default -> command.setResult(feature.capabilities());
        }
        return NvmeStatus.SUCCESSFUL_COMPLETION;
    }

    /** Set Features. */
    int set(AdminCommand command) {
        Feature feature = Feature.of(command.cdw10() & 0xff);
        if (feature == null) {
            return refuse(NvmeStatus.INVALID_FIELD_IN_COMMAND);
        }
        if ((command.cdw10() & SV) != 0) {
            return refuse(NvmeStatus.FEATURE_IDENTIFIER_NOT_SAVEABLE);
        }
        int nsid = command.nsid();
        if (feature.isNamespaceSpecific()) {
            return setOfNamespaces(feature, nsid, command.cdw11());
        }
        if (nsid != 0 && nsid != NSID_BROADCAST) {
            return refuse(
                    namespaces.isValid(nsid)
                            ? NvmeStatus.FEATURE_NOT_NAMESPACE_SPECIFIC
                            : NvmeStatus.INVALID_NAMESPACE_OR_FORMAT);
        }
        return setOfController(feature, command);
    }

    private int setOfNamespaces(Feature feature, int nsid, int value) {
        boolean illegal = feature == Feature.ERROR_RECOVERY ? (value & DULBE) != 0 : (value & feature.mask()) > 1;
        if (illegal) {
            return refuse(NvmeStatus.INVALID_FIELD_IN_COMMAND);
        }
        List<NvmeNamespace> affected = new ArrayList<>();
        if (nsid == NSID_BROADCAST) {
            namespaces.allocated().stream().filter(n -> n.attached).forEach(affected::add);
        } else if (!namespaces.isValid(nsid)) {
            return refuse(NvmeStatus.INVALID_NAMESPACE_OR_FORMAT);
        } else {
            NvmeNamespace namespace = namespaces.active(nsid);
            if (namespace == null) {
                return refuse(NvmeStatus.INVALID_FIELD_IN_COMMAND);
            }
            affected.add(namespace);
        }
        for (NvmeNamespace namespace : affected) {
            if (feature == Feature.ERROR_RECOVERY) {
                namespace.errorRecovery = value & feature.mask();
            } else {
                setWriteProtected(namespace, (value & feature.mask()) != 0);
            }
        }
        return NvmeStatus.SUCCESSFUL_COMPLETION;
    }

    private void setWriteProtected(NvmeNamespace namespace, boolean writeProtected) {
        if (namespace.writeProtected != writeProtected) {
            controller.drain();
            namespace.writeProtected = writeProtected;
            changed.add(namespace.nsid());
        }
    }

    private int setOfController(Feature feature, AdminCommand command) {
        int value = command.cdw11();
        switch (feature) {
            case POWER_MANAGEMENT -> {
                if ((value & POWER_STATE_MASK) != 0) { // there is one state
                    return refuse(NvmeStatus.INVALID_FIELD_IN_COMMAND);
                }
            }
            case TEMPERATURE_THRESHOLD -> {
                return setTemperatureThreshold(value);
            }
            case NUMBER_OF_QUEUES -> {
                return setNumberOfQueues(command);
            }
            case INTERRUPT_VECTOR_CONFIGURATION -> {
                return setVector(value);
            }
            case ASYNCHRONOUS_EVENT_CONFIGURATION -> events.configure(value);
            case TIMESTAMP -> timestamp.set(Bytes.fromHost(command, Long.BYTES));
            case HOST_BEHAVIOR_SUPPORT -> {
                return setHostBehavior(command);
            }
            default -> {}
        }
        current[feature.ordinal()] = value & feature.mask();
        tellController();
        return NvmeStatus.SUCCESSFUL_COMPLETION;
    }

    private int setTemperatureThreshold(int value) {
        int sensor = (value >>> TMPSEL_SHIFT) & TMPSEL_MASK;
        int which = (value >>> THSEL_SHIFT) & THSEL_MASK;
        if ((sensor != TMPSEL_COMPOSITE && sensor != TMPSEL_ALL) || which > THSEL_UNDER) {
            return refuse(NvmeStatus.INVALID_FIELD_IN_COMMAND);
        }
        int kelvin = value & 0xffff;
        smart.setThresholds(
                which == THSEL_OVER ? kelvin : smart.overKelvin(), which == THSEL_UNDER ? kelvin : smart.underKelvin());
        return NvmeStatus.SUCCESSFUL_COMPLETION;
    }

    private int setNumberOfQueues(AdminCommand command) {
        int submission = command.cdw11() & 0xffff;
        int completion = command.cdw11() >>> 16;
        if (submission == TOO_MANY_QUEUES || completion == TOO_MANY_QUEUES) {
            return refuse(NvmeStatus.INVALID_FIELD_IN_COMMAND);
        }
        if (controller.hasIoQueues()) {
            return refuse(NvmeStatus.COMMAND_SEQUENCE_ERROR);
        }
        int limit = controller.queuePairs() - 1;
        int given = Math.min(submission, limit) | (Math.min(completion, limit) << 16);
        current[Feature.NUMBER_OF_QUEUES.ordinal()] = given;
        tellController();
        command.setResult(given);
        return NvmeStatus.SUCCESSFUL_COMPLETION;
    }

    private int setVector(int value) {
        int vector = value & VECTOR_MASK;
        if (vector >= coalescingDisabled.length) {
            return refuse(NvmeStatus.INVALID_FIELD_IN_COMMAND);
        }
        coalescingDisabled[vector] = (value & COALESCING_DISABLED) != 0;
        controller.setCoalescingDisabled(vector, coalescingDisabled[vector]);
        return NvmeStatus.SUCCESSFUL_COMPLETION;
    }

    private int setHostBehavior(AdminCommand command) {
        ByteBuffer structure = Bytes.fromHost(command, Feature.HOST_BEHAVIOR_SUPPORT.dataBytes());
        for (int i = 0; i < HOST_BEHAVIOR_FLAGS; i++) {
            if ((structure.get(i) & ~1) != 0) {
                return refuse(NvmeStatus.INVALID_FIELD_IN_COMMAND);
            }
        }
        structure.get(0, hostBehavior);
        return NvmeStatus.SUCCESSFUL_COMPLETION;
    }

    /** Whether there is such a thing as the command asks for: a vector, a sensor. */
    private boolean hasCurrent(Feature feature, int cdw11) {
        return switch (feature) {
            case INTERRUPT_VECTOR_CONFIGURATION -> (cdw11 & VECTOR_MASK) < coalescingDisabled.length;
            case TEMPERATURE_THRESHOLD ->
                ((cdw11 >>> TMPSEL_SHIFT) & TMPSEL_MASK) == TMPSEL_COMPOSITE
                        && ((cdw11 >>> THSEL_SHIFT) & THSEL_MASK) <= THSEL_UNDER;
            default -> true;
        };
    }

    private void giveCurrent(Feature feature, AdminCommand command, @Nullable NvmeNamespace namespace) {
        int cdw11 = command.cdw11();
        switch (feature) {
            case TIMESTAMP -> Bytes.toHost(command, timestamp.get());
            case HOST_BEHAVIOR_SUPPORT ->
                Bytes.toHost(command, Bytes.structure(feature.dataBytes()).put(0, hostBehavior));
            case TEMPERATURE_THRESHOLD -> command.setResult(isUnder(cdw11) ? smart.underKelvin() : smart.overKelvin());
            case INTERRUPT_VECTOR_CONFIGURATION -> {
                int vector = cdw11 & VECTOR_MASK;
                command.setResult(vector | (coalescingDisabled[vector] ? COALESCING_DISABLED : 0));
            }
            case ASYNCHRONOUS_EVENT_CONFIGURATION -> command.setResult(events.configuration());
            case ERROR_RECOVERY -> command.setResult(namespace == null ? 0 : namespace.errorRecovery);
            case NAMESPACE_WRITE_PROTECTION_CONFIG ->
                command.setResult(namespace != null && namespace.writeProtected ? 1 : 0);
            default -> command.setResult(current[feature.ordinal()]);
        }
    }

    private int defaultOf(Feature feature, int cdw11) {
        return switch (feature) {
            case NUMBER_OF_QUEUES -> (controller.queuePairs() - 1) * 0x1_0001;
            case VOLATILE_WRITE_CACHE -> 1;
            case TEMPERATURE_THRESHOLD -> isUnder(cdw11) ? 0 : SmartLog.WARNING_KELVIN;
            case INTERRUPT_VECTOR_CONFIGURATION -> cdw11 & VECTOR_MASK;
            default -> 0;
        };
    }

    private static boolean isUnder(int cdw11) {
        return ((cdw11 >>> THSEL_SHIFT) & THSEL_MASK) == THSEL_UNDER;
    }

    /** What changes how the controller works is its business. */
    private void tellController() {
        int queues = current[Feature.NUMBER_OF_QUEUES.ordinal()];
        controller.setNumberOfQueues((queues & 0xffff) + 1, (queues >>> 16) + 1);
        controller.setWriteCache(current[Feature.VOLATILE_WRITE_CACHE.ordinal()] != 0);
        int coalescing = current[Feature.INTERRUPT_COALESCING.ordinal()];
        controller.setCoalescing(coalescing & 0xff, (coalescing >>> 8) & 0xff);
        for (int i = 0; i < coalescingDisabled.length; i++) {
            controller.setCoalescingDisabled(i, coalescingDisabled[i]);
        }
    }

    private static int select(AdminCommand command) {
        return (command.cdw10() >>> SEL_SHIFT) & SEL_MASK;
    }

    private static int refuse(int status) {
        return status | NvmeStatus.DNR;
    }

    /** The numbers, the vectors and the host's behaviour, for {@link #load}. */
    State save() {
        return new State(current.clone(), coalescingDisabled.clone(), hostBehavior.clone());
    }

    void load(State state) {
        System.arraycopy(state.current, 0, current, 0, current.length);
        Arrays.fill(coalescingDisabled, false);
        System.arraycopy(
                state.coalescingDisabled,
                0,
                coalescingDisabled,
                0,
                Math.min(state.coalescingDisabled.length, coalescingDisabled.length));
        System.arraycopy(state.hostBehavior, 0, hostBehavior, 0, hostBehavior.length);
        tellController();
    }

    /**
     * All there is to it that no other part has.
     *
     * @param current by {@link Feature}'s ordinal
     * @param coalescingDisabled by vector
     * @param hostBehavior the first bytes of its structure
     */
    record State(int[] current, boolean[] coalescingDisabled, byte[] hostBehavior) {}
}
