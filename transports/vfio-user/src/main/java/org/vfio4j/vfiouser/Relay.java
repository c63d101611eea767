package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EINTR;
import static org.vfio4j.sys.SocketIo.MSG_DONTWAIT;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.uapi.VfioUser.Header;

/**
 * One client of a {@link VfioUserRelay} and its server. Whole messages go to and fro with their descriptors. When the server goes, what it
 * has sent before is passed on, the client's requests without an answer are kept, and more of them, until another server is there that
 * gets them again. Belongs to the loop's thread.
 *
 * <p>Neither side is read while what it sends has nowhere to go: what is kept is bounded by what the client may have under way, and by
 * one socket's buffer.
 */
final class Relay {

    private final EventLoop loop;
    private final PeerLog log;
    private final Runnable onServerGone;
    private final Runnable onEnd;
    private final RelaySocket client;
    private final RelayedRequests requests = new RelayedRequests();
    private final RelayedSession session = new RelayedSession();
    private @Nullable RelaySocket server;
    private int generation;
    private boolean trimAsked;
    private boolean ended;

    /**
     * @param client the client's socket, not blocking, owned by this
     * @param server the server's, likewise
     * @param onServerGone run by the loop when the server has ended the connection, as it does when it dies
     * @param onEnd run by the loop when the client is gone
     */
    Relay(EventLoop loop, Fd client, Fd server, PeerLog log, Runnable onServerGone, Runnable onEnd) {
        this.loop = loop;
        this.log = log;
        this.onServerGone = onServerGone;
        this.onEnd = onEnd;
        this.client = new RelaySocket(loop, client, this);
        this.server = new RelaySocket(loop, server, this);
    }

    /**
     * Goes on with another server.
     *
     * @return what that one needs, and the caller's; empty when none could go on, which ends the client's connection
     */
    Optional<ServerHandover> resume() {
        takeLastAnswers();
        if (ended) {
            return Optional.empty();
        }
        serverGone();
        generation++;
        String obstacle = session.obstacle();
        if (!obstacle.isEmpty()) {
            log.warn("connection ended: no other server can go on with a client of which " + obstacle);
            end();
            return Optional.empty();
        }
        UnixSocket.Pair pair = UnixSocket.pair();
        try (Fd other = pair.second()) {
            UnixSocket.setNonBlocking(pair.first(), true);
            UnixSocket.setNonBlocking(other, true);
            ServerHandover handover = session.handover(other);
            RelaySocket next = new RelaySocket(loop, pair.first(), this);
            server = next;
            requests.sendAll(next.outbox());
            settle();
            return Optional.of(handover);
        } catch (RuntimeException e) {
            pair.first().close();
            throw e;
        }
    }

    /** What the server before has answered is not asked again. */
    private void takeLastAnswers() {
        RelaySocket before = server;
        if (before != null) {
            before.hangUp();
            try {
                while (fromServer()) {
                    // Until nothing more comes.
                }
            } catch (RuntimeException e) {
                end(e);
            }
        }
    }

    /** Which server it is, or was, counted from the first. */
    int generation() {
        return generation;
    }

    boolean hasServer() {
        return server != null;
    }

    /** Lets client and server go. */
    void end() {
        if (!ended) {
            ended = true;
            serverGone();
            client.close();
            requests.close();
            session.close();
            onEnd.run();
        }
    }

    /** There may be something to move, in either direction. Returns whether something came. */
    boolean turn(RelaySocket by, boolean canSend) {
        boolean came = false;
        try {
            if (canSend && by.outbox().flush() != 0 && by == client) {
                end();
            }
            came = fromServer();
            came |= !ended && fromClient();
            if (!ended) {
                settle();
            }
        } catch (RuntimeException e) {
            end(e);
        }
        return came;
    }

    private void end(RuntimeException why) {
        if (why instanceof ErrnoException) {
            log.warn("connection ended: " + why.getMessage());
        } else {
            log.defect("connection ended", why);
        }
        end();
    }

    void trim() {
        trimAsked = false;
        if (!ended) {
            client.inbox().trim();
            requests.trim();
            if (server != null) {
                server.inbox().trim();
            }
        }
    }

    private boolean fromServer() {
        RelaySocket from = server;
        if (from == null || ended) {
            return false;
        }
        passReplies(from);
        if (ended || !isReadable(from)) {
            return false;
        }
        long n = from.receive(MSG_DONTWAIT);
        if (n == -EAGAIN || n == -EINTR) {
            return false;
        }
        if (n <= 0) {
            serverGone();
            onServerGone.run();
            return true;
        }
        passReplies(from);
        return true;
    }

    // What a dead server has sent is no more than its socket holds.
    private boolean isReadable(RelaySocket from) {
        return !client.outbox().isBacklogged() || from.isHungUp();
    }

    private void passReplies(RelaySocket from) {
        while (!ended && isReadable(from)) {
            Inbox.Next next = from.inbox().next();
            if (next == Inbox.Next.INCOMPLETE) {
                return;
            }
            if (next == Inbox.Next.FRAMING_LOST) {
                log.warn("connection ended: the server sends a message of an impossible size");
                end();
                return;
            }
            Message message = from.inbox().message();
            if (message.type() == Header.FLAGS_TYPE_REPLY) {
                passReply(message);
            } else {
                session.asked(message.id(), message.command());
                send(message, client);
            }
            if (!ended) {
                from.inbox().consume();
            }
        }
    }

    private void passReply(Message reply) {
        Message request = requests.isEmpty() ? reply : requests.head();
        if (requests.isEmpty() || request.id() != reply.id() || request.command() != reply.command()) {
            log.warn("connection ended: the server answers what nobody has asked");
            end();
            return;
        }
        session.answered(request, (reply.flags() & Header.FLAGS_ERROR) == 0, reply.fdCount());
        boolean wanted = requests.headWantsReply();
        requests.removeHead();
        if (wanted) {
            send(reply, client);
        }
    }

    private boolean fromClient() {
        passRequests();
        if (ended) {
            return false;
        }
        if (!canTake()) {
            if (client.isHungUp()) {
                end();
            }
            return false;
        }
        long n = client.receive(MSG_DONTWAIT);
        if (n == -EAGAIN || n == -EINTR) {
            return false;
        }
        if (n <= 0) {
            end();
            return false;
        }
        passRequests();
        return true;
    }

    private boolean canTake() {
        RelaySocket to = server;
        return requests.hasRoom() && (to == null || !to.outbox().isBacklogged());
    }

    private void passRequests() {
        while (canTake()) {
            Inbox.Next next = client.inbox().next();
            if (next == Inbox.Next.INCOMPLETE) {
                return;
            }
            if (next == Inbox.Next.FRAMING_LOST) {
                log.warn("connection ended: a message of an impossible size");
                end();
                return;
            }
            passRequest(client.inbox().message());
            client.inbox().consume();
        }
    }

    private void passRequest(Message message) {
        RelaySocket to = server;
        if (message.type() == Header.FLAGS_TYPE_REPLY) {
            // One that nobody has asked for goes nowhere.
            if (session.answeredServer(message.id(), message.command()) && to != null) {
                send(message, to);
            }
            return;
        }
        int slot = requests.add(message);
        if (to != null) {
            requests.send(slot, to.outbox());
        }
    }

    private static void send(Message message, RelaySocket to) {
        List<Fd> fds = List.of();
        if (message.fdCount() > 0) {
            fds = new ArrayList<>(message.fdCount());
            for (int i = 0; i < message.fdCount(); i++) {
                fds.add(message.fd(i));
            }
        }
        // A lost connection shows when it is read next.
        to.outbox()
                .send(
                        message.buffer(),
                        message.payloadAt() - Header.SIZEOF,
                        Header.SIZEOF + message.payloadSize(),
                        fds);
    }

    private void serverGone() {
        RelaySocket gone = server;
        if (gone != null) {
            server = null;
            gone.close();
        }
    }

    private void settle() {
        RelaySocket to = server;
        client.watch(canTake());
        if (to != null) {
            to.watch(isReadable(to));
        }
        boolean large = client.inbox().isLarge()
                || requests.isLarge()
                || (to != null && to.inbox().isLarge());
        if (large && !trimAsked) {
            trimAsked = true;
            loop.trimLater(client);
        }
    }
}
