package org.vfio4j.cli.control;

import static org.vfio4j.sys.Errno.EAGAIN;

import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.vfio4j.cli.socket.FdChannel;
import org.vfio4j.cli.socket.LineSocket;
import org.vfio4j.sys.Epoll;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.UnixSocket;

/**
 * The socket at which a serving process takes requests of its user: a line comes, a line goes back, and the connection ends. One
 * thread accepts, and each connection has one while it lasts. Clients that are slow, many or talk nonsense are limited.
 */
public final class ControlSocket implements AutoCloseable {

    public static final int MAX_CONNECTIONS = 16;
    public static final int MAX_REQUEST_BYTES = 64 << 10;

    private static final System.Logger LOG = System.getLogger(ControlSocket.class.getName());
    private static final long PATIENCE_NS = 2_000_000_000;
    private static final long ACCEPT_PAUSE_NS = 100_000_000;
    private static final long STACK_BYTES = 256 << 10;
    private static final int OWNER_ONLY = 0600;

    private final Fd listening;
    private final UnaryOperator<String> answer;
    private final Function<String, Optional<Conversation>> conversations;
    private final String busy;
    private final Fd wakeUp = EventFd.create();
    private final Epoll epoll = Epoll.create();
    private final Semaphore connections = new Semaphore(MAX_CONNECTIONS);
    private final Thread acceptor;
    private volatile boolean closing;

    private ControlSocket(
            Fd listening,
            UnaryOperator<String> answer,
            Function<String, Optional<Conversation>> conversations,
            String busy) {
        this.listening = listening;
        this.answer = answer;
        this.conversations = conversations;
        this.busy = busy;
        epoll.add(wakeUp.value(), Epoll.EPOLLIN, 0);
        epoll.add(listening.value(), Epoll.EPOLLIN, 1);
        acceptor = thread("vfio-control", this::accept);
    }

    /** A socket at which a line answers every request; otherwise as the other one. */
    static ControlSocket listen(Path path, UnaryOperator<String> answer, String busy) {
        return listen(path, answer, line -> Optional.empty(), busy);
    }

    /**
     * Listens, for the owner only.
     *
     * @param answer makes the reply to a request; called by several threads, and throws nothing
     * @param conversations knows the requests that a line does not answer, and who takes the connection then; throws nothing
     * @param busy the reply to a client that is one too many
     * @throws ErrnoException what bind says; ENAMETOOLONG for a runtime directory far down
     */
    public static ControlSocket listen(
            Path path,
            UnaryOperator<String> answer,
            Function<String, Optional<Conversation>> conversations,
            String busy) {
        Fd listening = UnixSocket.listen(path, MAX_CONNECTIONS, OWNER_ONLY);
        return new ControlSocket(listening, answer, conversations, busy);
    }

    /** Lets nobody in any more. Requests that are worked on go on. */
    @Override
    public void close() {
        closing = true;
        EventFd.signal(wakeUp.value());
        boolean interrupted = false;
        while (acceptor.isAlive()) {
            try {
                acceptor.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        epoll.close();
        wakeUp.close();
        listening.close();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** For a process that ends: waits until the requests that are worked on have their replies, and takes no others. */
    public void awaitReplies() throws InterruptedException {
        if (!connections.tryAcquire(MAX_CONNECTIONS, 2 * PATIENCE_NS, TimeUnit.NANOSECONDS)) {
            LOG.log(Level.DEBUG, "requests that are still worked on at the end");
        }
    }

    private void accept() {
        while (!closing) {
            epoll.await(-1);
            int fd = UnixSocket.accept(listening.value());
            if (fd >= 0) {
                attend(new LineSocket(Fd.own(fd)));
            } else if (fd != -EAGAIN && !closing) {
                // No descriptors or no memory: the client waits in the backlog, and epoll reports it without end.
                LockSupport.parkNanos(ACCEPT_PAUSE_NS);
            }
        }
    }

    private void attend(LineSocket client) {
        if (!connections.tryAcquire()) {
            converse(client, () -> busy);
            return;
        }
        try {
            thread("vfio-control-request", () -> {
                try {
                    attendTo(client);
                } finally {
                    connections.release();
                }
            });
        } catch (OutOfMemoryError e) {
            // No thread is to be had: the next client may have more luck.
            connections.release();
            client.close();
        }
    }

    private void attendTo(LineSocket client) {
        String line;
        try {
            line = client.read(MAX_REQUEST_BYTES, PATIENCE_NS, ns -> {});
        } catch (ErrnoException e) {
            LOG.log(Level.DEBUG, "a client of the control socket: {0}", e.getMessage());
            client.close();
            return;
        }
        Optional<Conversation> longer = conversations.apply(line);
        if (longer.isPresent()) {
            longer.get().with(client);
        } else {
            converse(client, () -> answer.apply(line));
        }
    }

    /** What follows a request that a line does not answer. Throws nothing. */
    public interface Conversation {

        /** @param client has sent the request; closed at the end */
        void with(LineSocket client);

        /** One in packets with descriptors. */
        static Conversation inPackets(Consumer<FdChannel> talk) {
            return client -> {
                try (FdChannel channel = new FdChannel(client.detach())) {
                    talk.accept(channel);
                }
            };
        }
    }

    private interface Reply {
        String make();
    }

    private static void converse(LineSocket client, Reply reply) {
        try (client) {
            client.write(reply.make(), PATIENCE_NS);
        } catch (ErrnoException e) {
            LOG.log(Level.DEBUG, "a client of the control socket: {0}", e.getMessage());
        }
    }

    private static Thread thread(String name, Runnable work) {
        return Thread.ofPlatform().daemon().name(name).stackSize(STACK_BYTES).start(work);
    }
}
