package org.vfio4j.nvme;

import java.nio.ByteBuffer;
import org.vfio4j.sys.RawMemory;

/** The Get Log Page command (Base 5.16): which page, which part of it, and what its reading does. Belongs to the queue thread. */
final class LogPages {

    // Log page identifiers; Base figure 202.
    static final int SUPPORTED_LOG_PAGES = 0x00;
    static final int ERROR_INFORMATION = 0x01;
    static final int SMART_HEALTH_INFORMATION = 0x02;
    static final int FIRMWARE_SLOT_INFORMATION = 0x03;
    static final int CHANGED_NAMESPACE_LIST = 0x04;
    static final int COMMANDS_SUPPORTED_AND_EFFECTS = 0x05;
    static final int FEATURE_IDENTIFIERS = 0x12;
    static final int NVME_MI_COMMANDS = 0x13;

    private static final int[] SUPPORTED = {
        SUPPORTED_LOG_PAGES,
        ERROR_INFORMATION,
        SMART_HEALTH_INFORMATION,
        FIRMWARE_SLOT_INFORMATION,
        CHANGED_NAMESPACE_LIST,
        COMMANDS_SUPPORTED_AND_EFFECTS,
        FEATURE_IDENTIFIERS,
        NVME_MI_COMMANDS
    };

    private static final int IDENTIFIERS_SIZE = 1024;
    private static final int LSUPP = 1;
    private static final int MI_COMMANDS_SIZE = 4096;

    // The Firmware Slot Information log; Base figure 208.
    static final int FIRMWARE_SIZE = 512;
    static final int FIRMWARE_AFI = 0;
    static final int FIRMWARE_FRS1 = 8;
    private static final int ACTIVE_SLOT = 1;

    /** CDW10: the event that the page is about stays. */
    private static final int RAE = 1 << 15;

    /** CDW14: the offset is an index, which no page here has. */
    private static final int OT = 1 << 23;

    private static final int CSI_SHIFT = 24;

    private final NvmeIdentity identity;
    private final ErrorLog errors;
    private final SmartLog smart;
    private final ChangedNamespaces changed;
    private final AsyncEvents events;

    LogPages(NvmeIdentity identity, ErrorLog errors, SmartLog smart, ChangedNamespaces changed, AsyncEvents events) {
        this.identity = identity;
        this.errors = errors;
        this.smart = smart;
        this.changed = changed;
        this.events = events;
    }

    /** Bytes that the command asks for: NUMD, which counts from 0, in dwords; or a negated status when that is more than it may. */
    static int dataBytes(AdminCommand command) {
        long numd = (command.cdw10() >>> 16) | ((command.cdw11() & 0xffffL) << 16);
        long bytes = (numd + 1) * Integer.BYTES;
        return bytes > NvmeLimits.MAX_TRANSFER_BYTES
                ? -(NvmeStatus.INVALID_FIELD_IN_COMMAND | NvmeStatus.DNR)
                : (int) bytes;
    }

    /** Its status; on success the command's data is the part that was asked for, zeroes behind the page's end. */
    int execute(AdminCommand command) {
        int lid = command.cdw10() & 0xff;
        if (!isSupported(lid)) {
            return NvmeStatus.INVALID_LOG_PAGE | NvmeStatus.DNR;
        }
        long offset = (command.cdw12() & 0xffff_ffffL) | ((long) command.cdw13() << 32);
        ByteBuffer page = page(lid);
        boolean refused = (command.cdw14() & OT) != 0
                || (lid == COMMANDS_SUPPORTED_AND_EFFECTS && command.cdw14() >>> CSI_SHIFT != 0)
                || (command.nsid() != 0 && command.nsid() != NvmeSpec.NSID_BROADCAST)
                || offset % Integer.BYTES != 0
                || Long.compareUnsigned(offset, page.capacity()) > 0;
        if (refused) {
            return NvmeStatus.INVALID_FIELD_IN_COMMAND | NvmeStatus.DNR;
        }
        int length = Math.min(dataBytes(command), page.capacity() - (int) offset);
        RawMemory.put(command.data(), page.array(), (int) offset, length);
        if ((command.cdw10() & RAE) == 0) {
            read(lid);
        }
        return NvmeStatus.SUCCESSFUL_COMPLETION;
    }

    private static boolean isSupported(int lid) {
        for (int supported : SUPPORTED) {
            if (lid == supported) {
                return true;
            }
        }
        return false;
    }

    private ByteBuffer page(int lid) {
        return switch (lid) {
            case SUPPORTED_LOG_PAGES -> supportedLogPages();
            case ERROR_INFORMATION -> errors.page();
            case SMART_HEALTH_INFORMATION -> smart.page();
            case FIRMWARE_SLOT_INFORMATION -> firmwareSlots();
            case CHANGED_NAMESPACE_LIST -> changed.page();
            case COMMANDS_SUPPORTED_AND_EFFECTS -> EffectsLog.page();
            case FEATURE_IDENTIFIERS -> featureIdentifiers();
            default -> Bytes.structure(MI_COMMANDS_SIZE); // there is no management interface, so no command of it
        };
    }

    /** The driver knows now. */
    private void read(int lid) {
        if (lid == CHANGED_NAMESPACE_LIST) {
            changed.clear();
        }
        events.logRead(lid);
    }

    private static ByteBuffer supportedLogPages() {
        ByteBuffer page = Bytes.structure(IDENTIFIERS_SIZE);
        for (int lid : SUPPORTED) {
            page.putInt(lid * Integer.BYTES, LSUPP);
        }
        return page;
    }

    private static ByteBuffer featureIdentifiers() {
        ByteBuffer page = Bytes.structure(IDENTIFIERS_SIZE);
        for (Feature feature : Feature.values()) {
            page.putInt(feature.fid() * Integer.BYTES, feature.effects());
        }
        return page;
    }

    private ByteBuffer firmwareSlots() {
        ByteBuffer page = Bytes.structure(FIRMWARE_SIZE);
        page.put(FIRMWARE_AFI, (byte) ACTIVE_SLOT);
        Bytes.putAscii(page, FIRMWARE_FRS1, NvmeIdentity.FIRMWARE_LENGTH, identity.firmware());
        return page;
    }
}
