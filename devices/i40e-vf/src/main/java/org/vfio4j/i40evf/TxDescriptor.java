package org.vfio4j.i40evf;

/**
 * A transmit descriptor's second quadword (X710 datasheet, 8.4.2): a data descriptor names a piece of a packet, a context
 * descriptor before it says how to cut it into segments. Stateless.
 */
final class TxDescriptor {

    static final int BYTES = 16;

    static final int DTYPE_DATA = 0;
    static final int DTYPE_CONTEXT = 1;
    static final int DTYPE_DESC_DONE = 0xf;

    static final int CMD_EOP = 1;
    static final int CMD_RS = 1 << 1;
    static final int CMD_IL2TAG1 = 1 << 3;
    static final int CMD_IIPT = 3 << 5;
    static final int CMD_IIPT_IPV6 = 1 << 5;
    static final int CMD_IIPT_IPV4 = 2 << 5;
    static final int CMD_IIPT_IPV4_CSUM = 3 << 5;
    static final int CMD_L4T = 3 << 8;
    static final int CMD_L4T_TCP = 1 << 8;
    static final int CMD_L4T_SCTP = 2 << 8;
    static final int CMD_L4T_UDP = 3 << 8;

    static final int CTX_CMD_TSO = 1;
    /** Tags, tunnels and switching, none of which is offered. */
    static final int CTX_CMD_UNSUPPORTED = 0x7c;

    private TxDescriptor() {}

    static int dtype(long qw1) {
        return (int) qw1 & 0xf;
    }

    static int command(long qw1) {
        return (int) (qw1 >>> 4) & 0x3ff;
    }

    /** Bytes before the IP header. */
    static int macLength(long qw1) {
        return ((int) (qw1 >>> 16) & 0x7f) * 2;
    }

    /** Bytes of the IP header with its options or extensions. */
    static int ipLength(long qw1) {
        return ((int) (qw1 >>> 23) & 0x7f) * 4;
    }

    /** Bytes of the header behind the IP header. */
    static int l4Length(long qw1) {
        return ((int) (qw1 >>> 30) & 0xf) * 4;
    }

    static int bufferBytes(long qw1) {
        return (int) (qw1 >>> 34) & 0x3fff;
    }

    static int contextCommand(long qw1) {
        return (int) (qw1 >>> 4) & 0x7f;
    }

    static int mss(long qw1) {
        return (int) (qw1 >>> 50) & 0x3fff;
    }
}
