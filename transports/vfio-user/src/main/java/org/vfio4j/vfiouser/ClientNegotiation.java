package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_VERSION;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import org.vfio4j.sys.FileStat;
import org.vfio4j.uapi.VfioUser.Version;

/** The client's VFIO_USER_VERSION, with which a connection begins. */
final class ClientNegotiation {

    private static final int MAJOR = 0;
    private static final int MINOR = 1;

    private ClientNegotiation() {}

    /**
     * Agrees with the server on how to speak.
     *
     * @param wantsTwin whether to ask for a second socket; the channel has it when this returns, if the server offers it
     * @return what the server can do
     */
    static Capabilities negotiate(ClientChannel channel, boolean wantsTwin) {
        Capabilities own = Capabilities.of(
                Connection.MAX_MSG_FDS, Connection.MAX_DATA_XFER_SIZE, Capabilities.DEFAULTS.maxDmaMaps());
        putRequest(channel.begin(), wantsTwin ? own.withTwinSocket(Capabilities.NO_FD) : own);
        Message reply = channel.call(VFIO_USER_VERSION, Version.DATA);
        int major = reply.u16(Version.MAJOR);
        int minor = reply.u16(Version.MINOR);
        if (major != MAJOR || minor > MINOR) {
            throw channel.lost(
                    EPROTO,
                    "the server speaks version " + major + "." + minor + ", this client " + MAJOR + "." + MINOR);
        }
        int length = reply.payloadSize() - Version.DATA;
        Capabilities server = length == 0
                ? Capabilities.DEFAULTS
                : Capabilities.parse(VersionNegotiation.text(reply, Version.DATA, length));
        if (wantsTwin && server.twinSocket()) {
            takeTwin(channel, reply, server.twinFdIndex());
        }
        channel.done();
        return server;
    }

    private static void putRequest(OutMessage request, Capabilities own) {
        byte[] json = own.toJson().getBytes(StandardCharsets.UTF_8);
        request.putShort(Version.MAJOR, MAJOR);
        request.putShort(Version.MINOR, MINOR);
        MemorySegment.copy(json, 0, request.payload(), ValueLayout.JAVA_BYTE, Version.DATA, json.length);
        request.payload().set(ValueLayout.JAVA_BYTE, Version.DATA + json.length, (byte) 0);
        request.setPayloadSize(Version.DATA + json.length + 1);
    }

    // A server that would ask on a socket that nobody has could never be answered.
    private static void takeTwin(ClientChannel channel, Message reply, int fdIndex) {
        boolean isThere = fdIndex >= 0 && fdIndex < reply.fdCount();
        if (!isThere || !FileStat.of(reply.fd(fdIndex)).isSocket()) {
            throw channel.lost(
                    EPROTO,
                    "its second socket is descriptor " + fdIndex + " of " + reply.fdCount()
                            + (isThere ? ", which is no socket" : ""));
        }
        channel.addTwin(reply.takeFd(fdIndex));
    }
}
