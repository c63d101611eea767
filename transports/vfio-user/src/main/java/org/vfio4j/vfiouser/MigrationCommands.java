package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOMSG;

import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.VfioUser.Header;
import org.vfio4j.uapi.VfioUser.MigData;
import org.vfio4j.vfio.VfioDeviceFile;

/**
 * MIG_DATA_READ and MIG_DATA_WRITE: a device's state on its way out of it or into it. Data goes between the device and the
 * message buffers without a copy; the device file knows in which states that is allowed.
 */
final class MigrationCommands {

    private final VfioDeviceFile file;
    private final int maxDataXferSize;

    /** @param maxDataXferSize bytes of data that one message may have */
    MigrationCommands(VfioDeviceFile file, int maxDataXferSize) {
        this.file = file;
        this.maxDataXferSize = maxDataXferSize;
    }

    /**
     * Less than what was asked for means to the client that there is no more, so a device that gives a little at a time is read
     * until there is enough. In PRE_COPY "no more" is for now.
     */
    void read(Message request, OutMessage reply) {
        int size = checkedSize(request);
        if (Integer.toUnsignedLong(request.u32(MigData.ARGSZ)) < (long) MigData.SIZEOF + size) {
            throw new ErrnoException(
                    EINVAL,
                    "MIG_DATA_READ: argsz " + Integer.toUnsignedLong(request.u32(MigData.ARGSZ)) + " has no room for "
                            + size + " bytes");
        }
        int came = 0;
        int piece;
        do {
            piece = readPiece(reply, came, size - came);
            came += piece;
        } while (piece > 0 && came < size);
        reply.putInt(MigData.ARGSZ, MigData.SIZEOF + came);
        reply.putInt(MigData.SIZE, came);
        reply.setPayloadSize(MigData.SIZEOF + came);
    }

    void write(Message request) {
        int size = checkedSize(request);
        if (request.payloadSize() - MigData.SIZEOF != size) {
            throw new ErrnoException(
                    EINVAL,
                    "MIG_DATA_WRITE: " + (request.payloadSize() - MigData.SIZEOF) + " bytes of data, size " + size);
        }
        file.migrationWrite(request.buffer(), request.payloadAt() + MigData.DATA, size);
    }

    private int readPiece(OutMessage reply, int at, int count) {
        try {
            return file.migrationRead(reply.buffer(), (long) Header.SIZEOF + MigData.DATA + at, count);
        } catch (ErrnoException e) {
            if (e.errno() == ENOMSG) {
                return 0;
            }
            throw e;
        }
    }

    private int checkedSize(Message request) {
        request.requireArgsz(MigData.SIZEOF);
        int size = request.u32(MigData.SIZE);
        if (size < 0 || size > maxDataXferSize) {
            throw new ErrnoException(
                    EINVAL,
                    "migration data of " + Integer.toUnsignedLong(size) + " bytes: the limit is " + maxDataXferSize);
        }
        return size;
    }
}
