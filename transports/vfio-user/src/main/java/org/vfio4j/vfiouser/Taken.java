package org.vfio4j.vfiouser;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Optional;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.VfioPciConfigCopy;

/**
 * A {@link ServerHandover}, taken apart.
 *
 * @param listening the listening socket
 * @param socketFile its file, if that is the server's
 * @param config the configuration space as clients have set it up
 * @param client the client that is connected
 */
record Taken(Fd listening, Optional<SocketPath> socketFile, VfioPciConfigCopy config, Optional<ClientHandover> client) {

    private static final String KIND = "vfio4j server handover";
    private static final int VERSION = 1;
    private static final String CLIENT_KIND = "vfio4j client handover";

    /** Writes one, of duplicates. */
    static ServerHandover record(
            Fd listening, Optional<SocketPath> socketFile, VfioPciConfigCopy config, Optional<ClientHandover> client) {
        HandoverRecord.Writer out = new HandoverRecord.Writer();
        try {
            out.text(KIND).number(VERSION).fd(Optional.of(listening)).flag(socketFile.isPresent());
            socketFile.ifPresent(file ->
                    out.text(file.path().toString()).number64(file.dev()).number64(file.ino()));
            out.bytes(config.bytes()).flag(client.isPresent());
            client.ifPresent(connected -> connected.write(out));
            return new ServerHandover(out.bytes(), out.fds());
        } catch (RuntimeException e) {
            out.fds().forEach(Fd::close);
            throw e;
        }
    }

    /** Writes one of a client alone, of duplicates: the other server has all else. */
    static ServerHandover recordClient(ClientHandover client) {
        HandoverRecord.Writer out = new HandoverRecord.Writer();
        try {
            client.write(out.text(CLIENT_KIND).number(VERSION));
            return new ServerHandover(out.bytes(), out.fds());
        } catch (RuntimeException e) {
            out.fds().forEach(Fd::close);
            throw e;
        }
    }

    /** Reads what {@link #recordClient} wrote, whose descriptors become those of the parts. */
    static ClientHandover client(ServerHandover handover) {
        HandoverRecord.Reader in = new HandoverRecord.Reader(handover.record(), handover.fds());
        check(in, CLIENT_KIND);
        ClientHandover client = ClientHandover.read(in);
        in.end();
        return client;
    }

    /** Reads one, whose descriptors become those of the parts. */
    static Taken of(ServerHandover handover) {
        HandoverRecord.Reader in = new HandoverRecord.Reader(handover.record(), handover.fds());
        check(in, KIND);
        Fd listening = in.fd().orElseThrow(() -> HandoverRecord.Reader.invalid("no listening socket"));
        Optional<SocketPath> file = in.flag() ? Optional.of(file(in)) : Optional.empty();
        VfioPciConfigCopy config = VfioPciConfigCopy.of(in.bytes());
        Optional<ClientHandover> client = in.flag() ? Optional.of(ClientHandover.read(in)) : Optional.empty();
        in.end();
        return new Taken(listening, file, config, client);
    }

    private static void check(HandoverRecord.Reader in, String wanted) {
        String kind = in.text();
        int version = in.number();
        if (!kind.equals(wanted) || version != VERSION) {
            throw HandoverRecord.Reader.invalid(
                    "'" + kind + "' of version " + version + ", this is '" + wanted + "' of version " + VERSION);
        }
    }

    private static SocketPath file(HandoverRecord.Reader in) {
        String path = in.text();
        try {
            return new SocketPath(Path.of(path), in.number64(), in.number64());
        } catch (InvalidPathException e) {
            throw HandoverRecord.Reader.invalid("a socket at no path");
        }
    }
}
