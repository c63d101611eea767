package org.vfio4j.cli.machine;

import java.nio.file.Path;
import java.util.Optional;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioMsixCopy;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.ServerHandover;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** Where a function is served, again and again as it gets a driver. */
public sealed interface Endpoint {

    /** Serves {@code file}, which the server closes when it is closed itself; when this throws, it stays the caller's. */
    VfioUserServer serve(EventLoop loop, LocalDeviceFile file, VfioUserServerOptions options);

    /** The socket's path, empty for one that has none. */
    String socket();

    /** A duplicate of a socket that another process cannot make again, the caller's; empty when it can. */
    default Optional<Fd> shareInherited() {
        return Optional.empty();
    }

    /** Releases what is kept while nobody serves. */
    void close();

    /** A socket that is made at a path. */
    record AtPath(Path path) implements Endpoint {

        @Override
        public VfioUserServer serve(EventLoop loop, LocalDeviceFile file, VfioUserServerOptions options) {
            return VfioUserServer.listen(loop, path, file, options);
        }

        @Override
        public String socket() {
            return path.toAbsolutePath().toString();
        }

        @Override
        public void close() {}
    }

    /**
     * A socket at a path that the process's keeper listens on: clients come by way of it, and stay when this process dies.
     *
     * @param path of the keeper's socket
     * @param listening where the keeper's connections come in, owned by this
     * @param memory what the function keeps outside of this process; the keeper's client closes it
     * @param onClose has the keeper listen no more, when the function goes before its process
     */
    record Kept(Path path, Fd listening, KeptFunction memory, Runnable onClose) implements Endpoint {

        @Override
        public VfioUserServer serve(EventLoop loop, LocalDeviceFile file, VfioUserServerOptions options) {
            // A driver has it again: nothing is left of what a user had set up before.
            VfioUserServer server = VfioUserServer.resume(
                    loop,
                    listening.dup(),
                    Optional.empty(),
                    Optional.empty(),
                    VfioMsixCopy.NOTHING,
                    file,
                    options,
                    memory);
            server.startTakenOver();
            return server;
        }

        /** Goes on where a process was that has died: see {@link VfioUserServer#resume}. */
        VfioUserServer resume(
                EventLoop loop, LocalDeviceFile file, VfioUserServerOptions options, Optional<ServerHandover> client) {
            return VfioUserServer.resume(
                    loop, listening.dup(), client, memory.config(), memory.msix(), file, options, memory);
        }

        @Override
        public String socket() {
            return path.toAbsolutePath().toString();
        }

        @Override
        public void close() {
            listening.close();
            onClose.run();
        }
    }

    /**
     * A socket that listens already, and goes on listening without a driver: clients wait until there is one again.
     *
     * @param listening owned by this
     */
    record Inherited(Fd listening) implements Endpoint {

        @Override
        public VfioUserServer serve(EventLoop loop, LocalDeviceFile file, VfioUserServerOptions options) {
            Fd own = listening.dup();
            try {
                return VfioUserServer.adopt(loop, own, file, options);
            } catch (RuntimeException e) {
                own.close();
                throw e;
            }
        }

        @Override
        public String socket() {
            return "";
        }

        @Override
        public Optional<Fd> shareInherited() {
            return Optional.of(listening.dup());
        }

        @Override
        public void close() {
            listening.close();
        }
    }
}
