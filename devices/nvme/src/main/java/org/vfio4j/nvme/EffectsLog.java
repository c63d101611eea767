package org.vfio4j.nvme;

import java.nio.ByteBuffer;

/** The Commands Supported and Effects log (Base 5.16.1.6) as a table. Stateless. */
final class EffectsLog {

    static final int SIZE = 4096;
    static final int IO_COMMANDS = 1024;

    // Bits of an entry; Base figure 211.
    static final int CSUPP = 1;

    /** Logical blocks may be others. */
    static final int LBCC = 1 << 1;

    /** What a namespace can do may be different. */
    static final int NCC = 1 << 2;

    /** Namespaces may come or go. */
    static final int NIC = 1 << 3;

    /** Not together with another command to the same namespace. */
    static final int CSE_NAMESPACE = 1 << 16;

    /** Not together with another command to any namespace. */
    static final int CSE_ALL = 2 << 16;

    // Scope.
    static final int CSP_NAMESPACE = 1 << 20;
    static final int CSP_CONTROLLER = 1 << 21;
    static final int CSP_SUBSYSTEM = 1 << 25;

    private static final int[][] ADMIN = {
        {NvmeSpec.DELETE_IO_SUBMISSION_QUEUE, CSUPP | CSP_CONTROLLER},
        {NvmeSpec.CREATE_IO_SUBMISSION_QUEUE, CSUPP | CSP_CONTROLLER},
        {NvmeSpec.GET_LOG_PAGE, CSUPP | CSP_CONTROLLER},
        {NvmeSpec.DELETE_IO_COMPLETION_QUEUE, CSUPP | CSP_CONTROLLER},
        {NvmeSpec.CREATE_IO_COMPLETION_QUEUE, CSUPP | CSP_CONTROLLER},
        {NvmeSpec.IDENTIFY, CSUPP | CSP_CONTROLLER},
        {NvmeSpec.ABORT, CSUPP | CSP_CONTROLLER},
        {NvmeSpec.SET_FEATURES, CSUPP | NCC | CSP_CONTROLLER},
        {NvmeSpec.GET_FEATURES, CSUPP | CSP_CONTROLLER},
        {NvmeSpec.ASYNCHRONOUS_EVENT_REQUEST, CSUPP | CSP_CONTROLLER},
        {NvmeSpec.NAMESPACE_MANAGEMENT, CSUPP | LBCC | NIC | CSE_ALL | CSP_SUBSYSTEM},
        {NvmeSpec.NAMESPACE_ATTACHMENT, CSUPP | NIC | CSP_SUBSYSTEM},
        {NvmeSpec.DOORBELL_BUFFER_CONFIG, CSUPP | CSP_CONTROLLER},
        {NvmeSpec.FORMAT_NVM, CSUPP | LBCC | NCC | CSE_NAMESPACE | CSP_NAMESPACE},
    };

    private static final int[][] IO = {
        {NvmeSpec.FLUSH, CSUPP | CSP_NAMESPACE},
        {NvmeSpec.WRITE, CSUPP | LBCC | CSP_NAMESPACE},
        {NvmeSpec.READ, CSUPP | CSP_NAMESPACE},
        {NvmeSpec.COMPARE, CSUPP | CSP_NAMESPACE},
        {NvmeSpec.WRITE_ZEROES, CSUPP | LBCC | CSP_NAMESPACE},
        {NvmeSpec.DATASET_MANAGEMENT, CSUPP | LBCC | CSP_NAMESPACE},
        {NvmeSpec.VERIFY, CSUPP | CSP_NAMESPACE},
        {NvmeSpec.COPY, CSUPP | LBCC | CSP_NAMESPACE},
    };

    private EffectsLog() {}

    static ByteBuffer page() {
        ByteBuffer page = Bytes.structure(SIZE);
        for (int[] command : ADMIN) {
            page.putInt(command[0] * Integer.BYTES, command[1]);
        }
        for (int[] command : IO) {
            page.putInt(IO_COMMANDS + command[0] * Integer.BYTES, command[1]);
        }
        return page;
    }
}
