package org.vfio4j.vfio;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.PciRegs.PCI_CAPABILITY_LIST;
import static org.vfio4j.uapi.PciRegs.PCI_CAP_ID_PM;
import static org.vfio4j.uapi.PciRegs.PCI_CAP_ID_VPD;
import static org.vfio4j.uapi.PciRegs.PCI_CAP_LIST_NEXT;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.PciRegs.PCI_PM_CTRL;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_CONFIG_REGION_INDEX;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.vfio4j.sys.ErrnoException;

/**
 * The configuration space of a PCI device as its user has set it up, to set up another such device alike. A device's own state does
 * not have it: in a migration it is the hypervisor that takes it along.
 *
 * <p>Registers are written where they differ, and those that cannot be written stay as they are. COMMAND and the power state come
 * last, because from then on the device works, or does not.
 */
public final class VfioPciConfigCopy {

    private static final int CONFIG_SIZE = 256;
    private static final int EXTENDED_CONFIG_SIZE = 4096;
    private static final int HEADER_SIZE = 64;
    private static final int DWORD = 4;
    private static final int NONE = 0;

    private final byte[] bytes;
    private final MemorySegment copy;

    private VfioPciConfigCopy(byte[] bytes) {
        this.bytes = bytes;
        this.copy = MemorySegment.ofArray(bytes);
    }

    /** Of an open PCI device. */
    public static VfioPciConfigCopy of(VfioDeviceFile file) {
        return new VfioPciConfigCopy(read(file));
    }

    /**
     * Of what {@link #bytes} gave.
     *
     * @throws ErrnoException EINVAL for any other number of bytes than a configuration space has
     */
    public static VfioPciConfigCopy of(byte[] bytes) {
        if (bytes.length != CONFIG_SIZE && bytes.length != EXTENDED_CONFIG_SIZE) {
            throw new ErrnoException(EINVAL, "copy of a configuration space: " + bytes.length + " bytes");
        }
        return new VfioPciConfigCopy(bytes.clone());
    }

    public byte[] bytes() {
        return bytes.clone();
    }

    /**
     * Whether a device has the same identity and layout: vendor, device and class, and a configuration space of this size.
     */
    public boolean fits(VfioDeviceFile file) {
        byte[] other = read(file);
        if (other.length != bytes.length) {
            return false;
        }
        MemorySegment there = MemorySegment.ofArray(other);
        return there.get(JAVA_INT_UNALIGNED, 0) == copy.get(JAVA_INT_UNALIGNED, 0)
                && there.get(JAVA_INT_UNALIGNED, 2L * DWORD) == copy.get(JAVA_INT_UNALIGNED, 2L * DWORD);
    }

    /** Sets up a device alike, but for COMMAND and the power state. */
    public void restore(VfioDeviceFile file) {
        int power = powerControl();
        int vpd = capability(PCI_CAP_ID_VPD);
        MemorySegment now = MemorySegment.ofArray(read(file));
        for (int at = 0; at < bytes.length; at += DWORD) {
            // To write the address of vital product data means to ask for it.
            boolean last = at == PCI_COMMAND || (power != NONE && at == power);
            boolean asks = vpd != NONE && at >= vpd && at < vpd + 2 * DWORD;
            if (!last && !asks && now.get(JAVA_INT_UNALIGNED, at) != copy.get(JAVA_INT_UNALIGNED, at)) {
                write(file, at, DWORD);
            }
        }
    }

    /** Sets the rest: from now on the device decodes, masters and sleeps as the other did. */
    public void restoreCommand(VfioDeviceFile file) {
        write(file, PCI_COMMAND, Short.BYTES);
        int power = powerControl();
        if (power != NONE) {
            write(file, power, Short.BYTES);
        }
    }

    /** Whether its user lets the device master the bus. */
    public boolean isBusMaster() {
        return (u16(PCI_COMMAND) & PCI_COMMAND_MASTER) != 0;
    }

    /** Where a capability begins; 0 for none. */
    int capability(int id) {
        int at = u8(PCI_CAPABILITY_LIST);
        for (int steps = 0; at >= HEADER_SIZE && steps < CONFIG_SIZE / DWORD; steps++) {
            if (u8(at) == id) {
                return at;
            }
            at = u8(at + PCI_CAP_LIST_NEXT);
        }
        return NONE;
    }

    int u16(int at) {
        return Short.toUnsignedInt(copy.get(JAVA_SHORT_UNALIGNED, at));
    }

    int u32(int at) {
        return copy.get(JAVA_INT_UNALIGNED, at);
    }

    private int u8(int at) {
        return Byte.toUnsignedInt(copy.get(JAVA_BYTE, Objects.checkIndex(at, bytes.length)));
    }

    private int powerControl() {
        int pm = capability(PCI_CAP_ID_PM);
        return pm == NONE ? NONE : pm + PCI_PM_CTRL;
    }

    private void write(VfioDeviceFile file, int at, int width) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment value = arena.allocate(width);
            MemorySegment.copy(copy, at, value, 0, width);
            file.write(VFIO_PCI_CONFIG_REGION_INDEX, at, value, 0, width);
        }
    }

    private static byte[] read(VfioDeviceFile file) {
        int size = (int) file.regionInfo(VFIO_PCI_CONFIG_REGION_INDEX).sizeBytes();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment all = arena.allocate(size);
            file.read(VFIO_PCI_CONFIG_REGION_INDEX, 0, all, 0, size);
            return all.toArray(JAVA_BYTE);
        }
    }
}
