package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.PciRegs.*;

import java.util.BitSet;
import java.util.Optional;
import org.vfio4j.bus.PciFunction;

/**
 * Walks a function's two capability chains when it is opened, gives each capability its permissions, and unlinks those that a
 * user shall not see from the virtual copy. Total: a chain that loops, leaves its space or overlaps is cut where it does.
 */
final class CapabilityList {

    private static final int EXTENDED_NEXT = 0xfff0_0000;

    /** A header and one register: no extended capability is shorter. */
    private static final int LEAST_EXTENDED = 8;

    private final PciFunction function;
    private final ConfigSpace config;
    private final int[] positions = new int[PCI_CAP_ID_MAX + 1];
    private final int[] lengths = new int[PCI_CAP_ID_MAX + 1];

    // Of the extended chain: the bytes that capabilities have, hidden ones too, and the ids that a user sees.
    private final BitSet extendedBytes = new BitSet();
    private final BitSet extendedIds = new BitSet();
    private int lastExtended;

    private CapabilityList(PciFunction function, ConfigSpace config) {
        this.function = function;
        this.config = config;
    }

    /** Sets up everything behind the standard header of {@code config}. */
    static CapabilityList walk(PciFunction function, ConfigSpace config) {
        // What belongs to no capability passes through: functions keep registers in the gaps.
        config.perms()
                .fill(PCI_STD_HEADER_SIZEOF, config.size() - PCI_STD_HEADER_SIZEOF, PermTable.NONE, PermTable.ALL);
        CapabilityList list = new CapabilityList(function, config);
        list.walkStandard();
        // PCI-X 2.0 has the larger space too, and says so by the longer form of its capability.
        boolean large = list.position(PCI_CAP_ID_EXP) != 0 || list.hasWord(PCI_CAP_ID_PCIX, PCI_X_ECC_CSR);
        if (config.size() > PCI_CFG_SPACE_SIZE && large) {
            list.walkExtended();
        }
        return list;
    }

    /** Where the first visible standard capability of this id stands, 0 when there is none. */
    int position(int id) {
        return positions[id];
    }

    /** Whether that capability is there and long enough to have the word at {@code register}. */
    boolean hasWord(int id, int register) {
        return register + 2 <= lengths[id];
    }

    /**
     * Adds an extended capability that the function does not have, at the chain's end: all virtual, read-only and zero behind its
     * header.
     *
     * @return why it cannot be added; empty when it was
     */
    Optional<String> addExtended(int id, int version, int pos, int length) {
        if (lastExtended == 0) {
            return Optional.of("the function has no extended capabilities");
        }
        if (pos < PCI_CFG_SPACE_SIZE || pos % 4 != 0 || pos + length > config.size()) {
            return Optional.of("a multiple of 4 within the " + config.size() + " bytes is needed");
        }
        if (extendedIds.get(id)) {
            return Optional.of("the function has one");
        }
        int taken = extendedBytes.nextSetBit(pos);
        if (taken >= 0 && taken < pos + length) {
            return Optional.of("another capability has byte 0x" + Integer.toHexString(taken));
        }
        extendedBytes.set(pos, pos + length);
        extendedIds.set(id);
        int next = pos == PCI_CFG_SPACE_SIZE ? config.get(pos, 4) & EXTENDED_NEXT : 0;
        config.perms().fill(pos, length, PermTable.ALL, PermTable.NONE);
        for (int at = pos; at < pos + length; at += 4) {
            config.set(at, 4, 0);
        }
        config.set(pos, 4, id | version << 16 | next);
        // The chain begins at the first place whatever stands there.
        if (pos != PCI_CFG_SPACE_SIZE) {
            link(lastExtended, pos);
            lastExtended = pos;
        }
        return Optional.empty();
    }

    private void walkStandard() {
        if ((config.hardware(PCI_STATUS, 2) & PCI_STATUS_CAP_LIST) == 0) {
            return;
        }
        BitSet taken = new BitSet();
        int link = PCI_CAPABILITY_LIST;
        int pos = config.hardware(link, 1) & ~3;
        config.set(link, 1, 0);
        while (pos >= PCI_STD_HEADER_SIZEOF && !taken.get(pos)) {
            int id = config.hardware(pos + PCI_CAP_LIST_ID, 1);
            int next = config.hardware(pos + PCI_CAP_LIST_NEXT, 1) & ~3;
            int wanted = CapabilityLengths.standard(function, id, pos);
            int length = Math.min(wanted, room(taken, pos, PCI_CFG_SPACE_SIZE));
            taken.set(pos);
            if (wanted != 0 && length >= leastStandard(id, wanted)) {
                taken.set(pos, pos + length);
                config.load(pos, length);
                CapabilityPerms.standard(config.perms(), id, pos, length, config.hardware(pos + PCI_CAP_FLAGS, 2));
                config.set(link, 1, pos);
                link = pos + PCI_CAP_LIST_NEXT;
                config.set(link, 1, 0);
                remember(id, pos, length);
            }
            pos = next;
        }
        if (link == PCI_CAPABILITY_LIST) {
            config.set(PCI_STATUS, 2, config.get(PCI_STATUS, 2) & ~PCI_STATUS_CAP_LIST);
        }
    }

    private void walkExtended() {
        BitSet taken = new BitSet();
        int last = 0;
        int pos = PCI_CFG_SPACE_SIZE;
        while (pos >= PCI_CFG_SPACE_SIZE && !taken.get(pos)) {
            int header = config.hardware(pos, 4);
            int id = header & 0xffff;
            int next = (header >>> 20) & 0xffc;
            int wanted = CapabilityLengths.extended(function, id, pos);
            int length = Math.min(wanted, room(taken, pos, config.size()));
            taken.set(pos);
            if (wanted != 0 && length >= leastExtended(id, wanted)) {
                taken.set(pos, pos + length);
                config.load(pos, length);
                CapabilityPerms.extended(config.perms(), id, pos, length);
                config.set(pos, 4, header & ~EXTENDED_NEXT);
                link(last, pos);
                last = pos;
                extendedBytes.set(pos, pos + length);
                extendedIds.set(id);
            } else if (pos == PCI_CFG_SPACE_SIZE) {
                // The chain begins here, so a hidden first capability leaves an empty header to hang the next one on.
                config.perms().setDword(pos, PermTable.ALL, PermTable.NONE);
                config.set(pos, 4, 0);
                last = pos;
            }
            if (header != 0) {
                extendedBytes.set(pos, Math.min(pos + LEAST_EXTENDED, config.size()));
            }
            pos = next;
        }
        lastExtended = last;
    }

    private void remember(int id, int pos, int length) {
        if (positions[id] == 0) {
            positions[id] = pos;
            lengths[id] = length;
        }
    }

    private void link(int from, int to) {
        if (from != 0) {
            config.set(from, 4, config.get(from, 4) | (to << 20));
        }
    }

    // Bytes from pos to whatever begins next.
    private static int room(BitSet taken, int pos, int limit) {
        int next = taken.nextSetBit(pos);
        return (next < 0 ? limit : Math.min(next, limit)) - pos;
    }

    // How much of a capability must be there; one that is cut shorter by its neighbour is hidden.
    private static int leastStandard(int id, int wanted) {
        return switch (id) {
            case PCI_CAP_ID_VNDR -> PCI_CAP_FLAGS + 1;
            case PCI_CAP_ID_EXP -> PCI_CAP_EXP_RC_ENDPOINT_SIZEOF_V1;
            default -> wanted;
        };
    }

    private static int leastExtended(int id, int wanted) {
        return switch (id) {
            case PCI_EXT_CAP_ID_VNDR -> PCI_VSEC_HDR + 4;
            case PCI_EXT_CAP_ID_DVSEC -> PCI_DVSEC_HEADER1 + 4;
            default -> wanted;
        };
    }
}
