package org.vfio4j.nvme;

import org.jspecify.annotations.Nullable;

/** The features that there are (Base figure 317, NVM Command Set figure 87) as a table. None is saveable: nothing outlives the process. */
enum Feature {
    ARBITRATION(0x01, Scope.CONTROLLER, 0xffff_ff07, 0),
    POWER_MANAGEMENT(0x02, Scope.CONTROLLER, 0xff, 0),
    TEMPERATURE_THRESHOLD(0x04, Scope.CONTROLLER, 0x003f_ffff, 0),
    ERROR_RECOVERY(0x05, Scope.NAMESPACE, 0xffff, 0),
    VOLATILE_WRITE_CACHE(0x06, Scope.CONTROLLER, 1, 0),
    NUMBER_OF_QUEUES(0x07, Scope.CONTROLLER, -1, 0),
    INTERRUPT_COALESCING(0x08, Scope.CONTROLLER, 0xffff, 0),
    INTERRUPT_VECTOR_CONFIGURATION(0x09, Scope.CONTROLLER, 0x1_ffff, 0),
    WRITE_ATOMICITY_NORMAL(0x0a, Scope.CONTROLLER, 1, 0),
    ASYNCHRONOUS_EVENT_CONFIGURATION(0x0b, Scope.CONTROLLER, AsyncEvents.CONFIGURABLE, 0),
    TIMESTAMP(0x0e, Scope.CONTROLLER, 0, 8),
    HOST_BEHAVIOR_SUPPORT(0x16, Scope.CONTROLLER, 0, 512),
    NAMESPACE_WRITE_PROTECTION_CONFIG(0x84, Scope.NAMESPACE, 7, 0);

    /** Bits of the Feature Identifiers log; Base figure 256. */
    private static final int FSUPP = 1;

    private static final int NCC = 1 << 2;

    // What Get Features says of a feature when it is asked what can be done with it; Base figure 188.
    private static final int CAPABILITY_NAMESPACE_SPECIFIC = 1 << 1;
    private static final int CAPABILITY_CHANGEABLE = 1 << 2;

    private enum Scope {
        NAMESPACE(1 << 20),
        CONTROLLER(1 << 21);

        private final int fsp;

        Scope(int fsp) {
            this.fsp = fsp;
        }
    }

    private final int fid;
    private final Scope scope;
    private final int mask;
    private final int dataBytes;

    Feature(int fid, Scope scope, int mask, int dataBytes) {
        this.fid = fid;
        this.scope = scope;
        this.mask = mask;
        this.dataBytes = dataBytes;
    }

    static @Nullable Feature of(int fid) {
        for (Feature feature : values()) {
            if (feature.fid == fid) {
                return feature;
            }
        }
        return null;
    }

    int fid() {
        return fid;
    }

    boolean isNamespaceSpecific() {
        return scope == Scope.NAMESPACE;
    }

    /** The bits of CDW11 that mean something. */
    int mask() {
        return mask;
    }

    /** Bytes of the structure that it is told by, or 0 when CDW11 does. */
    int dataBytes() {
        return dataBytes;
    }

    int capabilities() {
        return CAPABILITY_CHANGEABLE | (isNamespaceSpecific() ? CAPABILITY_NAMESPACE_SPECIFIC : 0);
    }

    /** Its entry in the Feature Identifiers log. */
    int effects() {
        return FSUPP | scope.fsp | (this == NAMESPACE_WRITE_PROTECTION_CONFIG ? NCC : 0);
    }
}
