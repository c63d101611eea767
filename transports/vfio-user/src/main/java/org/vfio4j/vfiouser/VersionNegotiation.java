package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EINVAL;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.function.Supplier;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.uapi.VfioUser.Header;
import org.vfio4j.uapi.VfioUser.Version;

/** VFIO_USER_VERSION, which opens every connection. Belongs to the connection's owner. */
final class VersionNegotiation {

    private static final int MAJOR = 0;
    private static final int MINOR = 2;

    private final Capabilities own;
    private final Optional<Supplier<Fd>> openTwin;
    private boolean done;
    private Capabilities peer = Capabilities.DEFAULTS;

    /**
     * @param own what this server can do
     * @param openTwin opens a socket for this server's requests, from which they are made from then on, and gives the client's
     *     end; empty when there is to be none
     */
    VersionNegotiation(Capabilities own, Optional<Supplier<Fd>> openTwin) {
        this.own = own;
        this.openTwin = openTwin;
    }

    /** Whether the two sides have agreed. */
    boolean isDone() {
        return done;
    }

    /** The client has agreed with another server, which this one takes over from. */
    void agreed(Capabilities with) {
        peer = with;
        done = true;
    }

    /** What the client can do. */
    Capabilities peer() {
        return peer;
    }

    void handle(Message request, OutMessage reply) {
        request.requirePayload(Version.DATA);
        if (done) {
            throw new ErrnoException(EINVAL, "VERSION: the versions are agreed already");
        }
        if (request.fdCount() != 0) {
            throw new ErrnoException(EINVAL, "VERSION: " + request.fdCount() + " descriptors where none belong");
        }
        int major = request.u16(Version.MAJOR);
        if (major != MAJOR) {
            throw new ErrnoException(EINVAL, "VERSION: major " + major + ", this server speaks " + MAJOR);
        }
        peer = parse(request);
        Capabilities offer = own;
        if (openTwin.isPresent() && peer.twinSocket() && peer.maxMsgFds() > 0 && request.wantsReply()) {
            offer = own.withTwinSocket(reply.addOwnFd(openTwin.get().get()));
        }
        done = true;
        reply.putShort(Version.MAJOR, MAJOR);
        reply.putShort(Version.MINOR, Math.min(request.u16(Version.MINOR), MINOR));
        byte[] json = offer.toJson().getBytes(StandardCharsets.UTF_8);
        MemorySegment.copy(json, 0, reply.buffer(), ValueLayout.JAVA_BYTE, Header.SIZEOF + Version.DATA, json.length);
        reply.buffer().set(ValueLayout.JAVA_BYTE, Header.SIZEOF + Version.DATA + json.length, (byte) 0);
        reply.setPayloadSize(Version.DATA + json.length + 1);
    }

    /** What the sender of a VERSION can do. */
    static Capabilities parse(Message request) {
        int length = request.payloadSize() - Version.DATA;
        return length == 0 ? Capabilities.DEFAULTS : Capabilities.parse(text(request, Version.DATA, length));
    }

    /** The text of version data: up to its NUL, which must be the last byte. */
    static String text(Message message, int offset, int length) {
        if (message.u8(offset + length - 1) != 0) {
            throw new ErrnoException(EINVAL, "VERSION: the data does not end with a NUL");
        }
        if (length - 1 > JsonParser.MAX_LENGTH) {
            throw new ErrnoException(
                    EINVAL, "VERSION: " + length + " bytes of data, the limit is " + JsonParser.MAX_LENGTH);
        }
        byte[] bytes = new byte[length - 1];
        MemorySegment.copy(
                message.buffer(), ValueLayout.JAVA_BYTE, message.payloadAt() + offset, bytes, 0, bytes.length);
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
