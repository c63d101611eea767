package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_IO;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MEMORY;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FLAGS_PCI;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_CONFIG_REGION_INDEX;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_REGION_WRITE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.VfioUser.Header;
import org.vfio4j.uapi.VfioUser.RegionAccess;
import org.vfio4j.uapi.VfioUser.RegionWriteMulti;
import org.vfio4j.vfio.VfioDeviceFile;

/**
 * REGION_READ, REGION_WRITE and REGION_WRITE_MULTI: the way of every register access, so nothing is allocated. Data goes
 * between the device and the message buffers without a copy.
 */
final class RegionCommands {

    private final VfioDeviceFile file;
    private final int maxDataXferSize;

    /** @param maxDataXferSize bytes that one message may read or write */
    RegionCommands(VfioDeviceFile file, int maxDataXferSize) {
        this.file = file;
        this.maxDataXferSize = maxDataXferSize;
    }

    void read(Message request, OutMessage reply) {
        request.requirePayload(RegionAccess.SIZEOF);
        int count = checkedCount(request);
        file.read(
                request.u32(RegionAccess.REGION),
                request.u64(RegionAccess.OFFSET),
                reply.buffer(),
                Header.SIZEOF + RegionAccess.SIZEOF,
                count);
        reply.repeat(request, RegionAccess.SIZEOF);
        reply.setPayloadSize(RegionAccess.SIZEOF + count);
    }

    void write(Message request, OutMessage reply) {
        request.requirePayload(RegionAccess.SIZEOF);
        int count = checkedCount(request);
        if (request.payloadSize() - RegionAccess.SIZEOF != count) {
            throw new ErrnoException(
                    EINVAL,
                    "REGION_WRITE: " + (request.payloadSize() - RegionAccess.SIZEOF) + " bytes of data, count "
                            + count);
        }
        file.write(
                request.u32(RegionAccess.REGION),
                request.u64(RegionAccess.OFFSET),
                request.buffer(),
                request.payloadAt() + RegionAccess.DATA,
                count);
        reply.repeat(request, RegionAccess.SIZEOF);
        reply.setPayloadSize(RegionAccess.SIZEOF);
    }

    /** In order, up to the first that fails. */
    void writeMulti(Message request, OutMessage reply) {
        request.requirePayload(RegionWriteMulti.WRITES);
        long count = request.u64(RegionWriteMulti.WR_CNT);
        int given = request.payloadSize() - RegionWriteMulti.WRITES;
        if (count < 0
                || count > given / RegionWriteMulti.WRITE_SIZEOF
                || count * RegionWriteMulti.WRITE_SIZEOF != given) {
            throw new ErrnoException(
                    EINVAL, "REGION_WRITE_MULTI: " + given + " bytes for " + Long.toUnsignedString(count) + " writes");
        }
        for (int i = 0; i < count; i++) {
            int at = RegionWriteMulti.WRITES + i * RegionWriteMulti.WRITE_SIZEOF;
            int bytes = request.u32(at + RegionWriteMulti.WRITE_COUNT);
            if (bytes < 0 || bytes > RegionWriteMulti.WRITE_MAX_COUNT) {
                throw new ErrnoException(
                        EINVAL,
                        "REGION_WRITE_MULTI: write of " + Integer.toUnsignedLong(bytes) + " bytes, the limit is "
                                + RegionWriteMulti.WRITE_MAX_COUNT);
            }
            file.write(
                    request.u32(at + RegionWriteMulti.WRITE_REGION),
                    request.u64(at + RegionWriteMulti.WRITE_OFFSET),
                    request.buffer(),
                    request.payloadAt() + at + RegionWriteMulti.WRITE_DATA,
                    bytes);
        }
        reply.putLong(RegionWriteMulti.WR_CNT, count);
        reply.setPayloadSize(RegionWriteMulti.WRITES);
    }

    /** Whether a REGION_WRITE or REGION_WRITE_MULTI goes to configuration space, where a write may reset the device. */
    static boolean touchesConfigSpace(Message request) {
        if (request.command() == VFIO_USER_REGION_WRITE) {
            return request.payloadSize() >= RegionAccess.SIZEOF
                    && request.u32(RegionAccess.REGION) == VFIO_PCI_CONFIG_REGION_INDEX;
        }
        int last = request.payloadSize() - RegionWriteMulti.WRITE_SIZEOF;
        for (int at = RegionWriteMulti.WRITES; at <= last; at += RegionWriteMulti.WRITE_SIZEOF) {
            if (request.u32(at + RegionWriteMulti.WRITE_REGION) == VFIO_PCI_CONFIG_REGION_INDEX) {
                return true;
            }
        }
        return false;
    }

    /**
     * Sets COMMAND to what a user finds who opens a device: memory and I/O decoded, bus master off. The client before may have
     * left another. With decoding off, a client that does not know about it gets nothing but errors: SPDK's drivers turn on bus
     * master and nothing else. With bus master on, a device
     * that still has its rings would go on with them at once in memory of the next client. It still does so from when that client
     * turns bus master on until it resets the device, if it does so in this order.
     */
    static void resetCommand(VfioDeviceFile file) {
        if ((file.info().flags() & VFIO_DEVICE_FLAGS_PCI) == 0) {
            return;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment command = arena.allocate(1);
            file.read(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, command, 0, 1);
            int was = command.get(ValueLayout.JAVA_BYTE, 0);
            int wanted = (was | PCI_COMMAND_MEMORY | PCI_COMMAND_IO) & ~PCI_COMMAND_MASTER;
            if (was != wanted) {
                command.set(ValueLayout.JAVA_BYTE, 0, (byte) wanted);
                file.write(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, command, 0, 1);
            }
        }
    }

    private int checkedCount(Message request) {
        int count = request.u32(RegionAccess.COUNT);
        if (count < 0 || count > maxDataXferSize) {
            throw new ErrnoException(
                    EINVAL,
                    "region access of " + Integer.toUnsignedLong(count) + " bytes: the limit is " + maxDataXferSize);
        }
        return count;
    }
}
