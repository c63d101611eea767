package org.vfio4j.nvme;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.nio.ByteBuffer;

/** The Identify Controller data structure (Base figure 275): what the controller can do, true of this one. Stateless. */
final class IdentifyController {

    static final int SIZE = 4096;

    // Offsets, by the specification's names.
    static final int VID = 0;
    static final int SSVID = 2;
    static final int SN = 4;
    static final int MN = 24;
    static final int FR = 64;
    static final int RAB = 72;
    static final int IEEE = 73;
    static final int MDTS = 77;
    static final int CNTLID = 78;
    static final int VER = 80;
    static final int RTD3R = 84;
    static final int RTD3E = 88;
    static final int OAES = 92;
    static final int CNTRLTYPE = 111;
    static final int NVMSR = 253;
    static final int OACS = 256;
    static final int ACL = 258;
    static final int AERL = 259;
    static final int FRMW = 260;
    static final int LPA = 261;
    static final int ELPE = 262;
    static final int NPSS = 263;
    static final int WCTEMP = 266;
    static final int CCTEMP = 268;
    static final int TNVMCAP = 280;
    static final int UNVMCAP = 296;
    static final int KAS = 320;
    static final int SQES = 512;
    static final int CQES = 513;
    static final int MAXCMD = 514;
    static final int NN = 516;
    static final int ONCS = 520;
    static final int FUSES = 522;
    static final int FNA = 524;
    static final int VWC = 525;
    static final int AWUN = 526;
    static final int AWUPF = 528;
    static final int NWPC = 531;
    static final int OCFS = 534;
    static final int SGLS = 536;
    static final int SUBNQN = 768;

    static final int OACS_FORMAT_NVM = 1 << 1;
    static final int OACS_NAMESPACE_MANAGEMENT = 1 << 3;
    static final int OACS_DOORBELL_BUFFER_CONFIG = 1 << 8;

    static final int ONCS_COMPARE = 1;
    static final int ONCS_DATASET_MANAGEMENT = 1 << 2;
    static final int ONCS_WRITE_ZEROES = 1 << 3;
    static final int ONCS_SAVE_AND_SELECT = 1 << 4;
    static final int ONCS_TIMESTAMP = 1 << 6;
    static final int ONCS_VERIFY = 1 << 7;
    static final int ONCS_COPY = 1 << 8;

    static final int LPA_COMMAND_EFFECTS = 1 << 1;
    static final int LPA_EXTENDED_DATA = 1 << 2;

    /** Log pages 0h, 12h and 13h are there, and 5h says scopes. */
    static final int LPA_SCOPES = 1 << 5;

    /** One slot, which is read-only. */
    static final int FRMW_ONE_READ_ONLY_SLOT = (1 << 1) | 1;

    /** Format NVM takes no broadcast NSID. */
    static final int FNA_NO_BROADCAST = 1 << 3;

    /** There is a volatile write cache; Flush takes the broadcast NSID. */
    static final int VWC_PRESENT = (3 << 1) | 1;

    /** SGLs of data blocks and segments, without alignment. */
    static final int SGLS_SUPPORTED = 1;

    /** 64 commands at a time are a good burst: 2 to this power. */
    private static final int ARBITRATION_BURST = 6;

    private static final int TYPE_IO_CONTROLLER = 1;
    private static final int STORAGE_DEVICE = 1;
    private static final int WRITE_PROTECT_STATES = 1;
    private static final int COPY_FORMAT_0 = 1;

    /** Microseconds in which it is ready again, and in which it is shut down: it flushes its storage then. */
    private static final int RESUME_US = 500_000;

    private static final int SHUTDOWN_US = 10_000_000;

    private IdentifyController() {}

    static ByteBuffer of(NvmeIdentity identity, NamespaceTable namespaces) {
        ByteBuffer to = Bytes.structure(SIZE);
        putNames(to, identity);
        putAdmin(to, namespaces);
        putNvm(to, namespaces);
        return to;
    }

    private static void putNames(ByteBuffer to, NvmeIdentity identity) {
        to.putShort(VID, (short) identity.vendorId());
        to.putShort(SSVID, (short) identity.subsystemVendorId());
        Bytes.putAscii(to, SN, NvmeIdentity.SERIAL_LENGTH, identity.serial());
        Bytes.putAscii(to, MN, NvmeIdentity.MODEL_LENGTH, identity.model());
        Bytes.putAscii(to, FR, NvmeIdentity.FIRMWARE_LENGTH, identity.firmware());
        to.putShort(IEEE, (short) identity.ieeeOui());
        to.put(IEEE + 2, (byte) (identity.ieeeOui() >>> 16));
        to.putShort(CNTLID, (short) identity.controllerId());
        to.put(SUBNQN, identity.subnqn().getBytes(US_ASCII));
    }

    private static void putAdmin(ByteBuffer to, NamespaceTable namespaces) {
        to.put(RAB, (byte) ARBITRATION_BURST);
        to.put(MDTS, (byte) NvmeLimits.MDTS);
        to.putInt(VER, NvmeSpec.VS_2_0);
        to.putInt(RTD3R, RESUME_US);
        to.putInt(RTD3E, SHUTDOWN_US);
        to.putInt(OAES, AsyncEvents.NAMESPACE_ATTRIBUTE_NOTICES);
        to.put(CNTRLTYPE, (byte) TYPE_IO_CONTROLLER);
        to.put(NVMSR, (byte) STORAGE_DEVICE);
        to.putShort(OACS, (short) (OACS_FORMAT_NVM | OACS_NAMESPACE_MANAGEMENT | OACS_DOORBELL_BUFFER_CONFIG));
        to.put(ACL, (byte) (NvmeLimits.MAX_ABORTS - 1));
        to.put(AERL, (byte) (NvmeLimits.MAX_ASYNC_EVENT_REQUESTS - 1));
        to.put(FRMW, (byte) FRMW_ONE_READ_ONLY_SLOT);
        to.put(LPA, (byte) (LPA_COMMAND_EFFECTS | LPA_EXTENDED_DATA | LPA_SCOPES));
        to.put(ELPE, (byte) (ErrorLog.ENTRIES - 1));
        to.putShort(WCTEMP, (short) SmartLog.WARNING_KELVIN);
        to.putShort(CCTEMP, (short) SmartLog.CRITICAL_KELVIN);
        Bytes.put128(to, TNVMCAP, namespaces.sizeBytes());
        Bytes.put128(to, UNVMCAP, 0);
    }

    private static void putNvm(ByteBuffer to, NamespaceTable namespaces) {
        to.put(SQES, (byte) (NvmeSpec.SQE_SIZE_SHIFT * 0x11));
        to.put(CQES, (byte) (NvmeSpec.CQE_SIZE_SHIFT * 0x11));
        to.putShort(MAXCMD, (short) NvmeLimits.MAX_QUEUE_ENTRIES);
        to.putInt(NN, namespaces.count());
        to.putShort(ONCS, (short) (ONCS_COMPARE
                | ONCS_DATASET_MANAGEMENT
                | ONCS_WRITE_ZEROES
                | ONCS_SAVE_AND_SELECT
                | ONCS_TIMESTAMP
                | ONCS_VERIFY
                | ONCS_COPY));
        to.put(FNA, (byte) FNA_NO_BROADCAST);
        to.put(VWC, (byte) VWC_PRESENT);
        to.put(NWPC, (byte) WRITE_PROTECT_STATES);
        to.putShort(OCFS, (short) COPY_FORMAT_0);
        to.putInt(SGLS, SGLS_SUPPORTED);
    }
}
