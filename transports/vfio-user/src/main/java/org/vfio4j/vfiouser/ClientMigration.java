package org.vfio4j.vfiouser;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static org.vfio4j.sys.Errno.ENOMSG;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_SET;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_MIG_DATA_READ;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_MIG_DATA_WRITE;

import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.VfioUser.Header;
import org.vfio4j.uapi.VfioUser.MigData;
import org.vfio4j.vfio.VfioMigrationState;

/**
 * The client's MIG_DATA_READ and MIG_DATA_WRITE. The protocol does not tell an end for now, in PRE_COPY, from the end of the
 * state, so the client remembers which state it has put the device into. Belongs to the client's thread.
 */
final class ClientMigration {

    private final ClientChannel channel;
    private final int maxTransfer;
    private boolean preCopy;

    /** @param maxTransfer bytes of data that one message may have */
    ClientMigration(ClientChannel channel, int maxTransfer) {
        this.channel = channel;
        this.maxTransfer = maxTransfer;
    }

    /** A feature was used with success. */
    void onFeature(int flags, MemorySegment data) {
        if (flags == (VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE)
                && data.byteSize() >= Integer.BYTES) {
            int state = data.get(JAVA_INT_UNALIGNED, 0);
            preCopy = state == VfioMigrationState.PRE_COPY.ordinal()
                    || state == VfioMigrationState.PRE_COPY_P2P.ordinal();
        }
    }

    /** The device was reset, and is RUNNING. */
    void onReset() {
        preCopy = false;
    }

    int read(MemorySegment buffer, long at, int count) {
        int done = 0;
        int asked;
        int came;
        do {
            asked = Math.min(count - done, maxTransfer);
            came = readPiece(buffer, at + done, asked);
            done += came;
        } while (came == asked && done < count);
        if (done == 0 && count > 0 && preCopy) {
            throw new ErrnoException(ENOMSG, "vfio-user: no migration data for now");
        }
        return done;
    }

    void write(MemorySegment buffer, long at, int count) {
        int done = 0;
        do {
            int piece = Math.min(count - done, maxTransfer);
            OutMessage request = channel.begin();
            request.putInt(MigData.ARGSZ, MigData.SIZEOF + piece);
            request.putInt(MigData.SIZE, piece);
            MemorySegment.copy(buffer, at + done, request.buffer(), Header.SIZEOF + MigData.DATA, piece);
            request.setPayloadSize(MigData.SIZEOF + piece);
            channel.call(VFIO_USER_MIG_DATA_WRITE, 0);
            channel.done();
            done += piece;
        } while (done < count);
    }

    private int readPiece(MemorySegment buffer, long at, int asked) {
        OutMessage request = channel.begin();
        request.putInt(MigData.ARGSZ, MigData.SIZEOF + asked);
        request.putInt(MigData.SIZE, asked);
        request.setPayloadSize(MigData.SIZEOF);
        Message reply = channel.call(VFIO_USER_MIG_DATA_READ, MigData.SIZEOF);
        int came = reply.u32(MigData.SIZE);
        if (came < 0 || came > asked || came != reply.payloadSize() - MigData.SIZEOF) {
            throw channel.lost(
                    EPROTO,
                    "MIG_DATA_READ of " + asked + " bytes answered by " + Integer.toUnsignedLong(came) + " in "
                            + (reply.payloadSize() - MigData.SIZEOF));
        }
        MemorySegment.copy(reply.buffer(), reply.payloadAt() + MigData.DATA, buffer, at, came);
        channel.done();
        return came;
    }
}
