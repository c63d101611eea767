package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.ECONNRESET;
import static org.vfio4j.sys.Errno.EINTR;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENOTCONN;
import static org.vfio4j.sys.Errno.EPIPE;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.sys.Errno.ETIMEDOUT;
import static org.vfio4j.sys.Poll.POLLIN;
import static org.vfio4j.sys.Poll.POLLOUT;
import static org.vfio4j.sys.SocketIo.MSG_DONTWAIT;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_REGION_READ;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_REGION_WRITE;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_REGION_WRITE_MULTI;

import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Poll;
import org.vfio4j.sys.SocketIo;
import org.vfio4j.uapi.VfioUser.Header;

/**
 * The client's end of a connection: one request at a time, on the caller's thread, which also answers what the server asks
 * meanwhile, on this socket or on a second one. A server that breaks the protocol, asks without end or does not answer in time
 * loses the connection, for good.
 */
final class ClientChannel implements AutoCloseable {

    private static final int[] NO_FDS = {};

    private final Fd socket;
    private final VfioUserClientOptions options;
    private final LocalMemory memory;
    private final Inbox inbox = new Inbox(Connection.MAX_MESSAGE, Connection.MAX_MSG_FDS);
    private final SocketIo io = new SocketIo(Connection.MAX_MSG_FDS);
    private final OutMessage request = new OutMessage(Connection.MAX_MESSAGE);
    private final OutMessage answer = new OutMessage(Connection.MAX_MESSAGE);
    private @Nullable ClientTwin twin;
    private int nextId;
    private boolean open = true;

    /**
     * @param socket connected, owned by the channel from now on
     * @param memory answers the server's requests
     */
    ClientChannel(Fd socket, VfioUserClientOptions options, LocalMemory memory) {
        this.socket = socket;
        this.options = options;
        this.memory = memory;
    }

    /** The request to fill in. */
    OutMessage begin() {
        if (!open) {
            throw new ErrnoException(ENOTCONN, "vfio-user: the connection is closed");
        }
        request.begin();
        return request;
    }

    Message call(int command, int replySize) {
        return call(command, replySize, NO_FDS, 0);
    }

    /**
     * Sends the request and waits for its reply, which is good until {@link #done}.
     *
     * @param replySize bytes of payload that the reply has at least
     * @throws ErrnoException the errno of an error reply; when the connection is lost ENOTCONN, EPROTO or ETIMEDOUT
     */
    Message call(int command, int replySize, int[] fds, int fdCount) {
        nextId = (nextId + 1) & 0xffff;
        request.putHeader(nextId, command, Header.FLAGS_TYPE_COMMAND, 0);
        long sent = send(request, 0, fds, fdCount);
        // Only now: the server is at work while this reads the clock.
        long deadline = System.nanoTime() + options.timeoutNs();
        sendRest(request, sent, fds, fdCount, deadline);
        Message reply = awaitReply(command, deadline);
        if (reply.id() != nextId || reply.command() != command) {
            throw lost(
                    EPROTO,
                    "reply to command " + reply.command() + " with id " + reply.id() + " instead of " + command
                            + " with " + nextId);
        }
        if ((reply.flags() & Header.FLAGS_ERROR) != 0) {
            int errno = reply.error();
            inbox.consume();
            throw new ErrnoException(
                    errno > 0 && errno < 4096 ? errno : EIO,
                    "vfio-user: command " + command + " refused by the server");
        }
        if (reply.payloadSize() < replySize) {
            throw lost(
                    EPROTO,
                    "reply to command " + command + " has " + reply.payloadSize() + " bytes of payload, not "
                            + replySize);
        }
        return reply;
    }

    /** Ends the use of the reply. */
    void done() {
        inbox.consume();
    }

    /** Sends the request, which gets no reply. */
    void post(int command) {
        nextId = (nextId + 1) & 0xffff;
        request.putHeader(nextId, command, Header.FLAGS_TYPE_COMMAND | Header.FLAGS_NO_REPLY, 0);
        sendAll(request, NO_FDS, 0, System.nanoTime() + options.timeoutNs());
    }

    /** The server asks on a socket of its own from now on, which belongs to the channel. */
    void addTwin(Fd twinSocket) {
        twin = new ClientTwin(twinSocket, memory);
    }

    /** Answers what the server asks, waiting up to {@code waitNs} for something to come: whether something did. */
    boolean serve(long waitNs) {
        if (!open) {
            throw new ErrnoException(ENOTCONN, "vfio-user: the connection is closed");
        }
        long deadline = System.nanoTime() + options.timeoutNs();
        // The call before may have received more than its reply.
        boolean served = answerAll(deadline);
        served |= serveTwin(deadline);
        long n = inbox.receive(socket, MSG_DONTWAIT);
        if (n == -EAGAIN && !served && waitNs > 0) {
            await(POLLIN, waitNs);
            served = serveTwin(deadline);
            n = inbox.receive(socket, MSG_DONTWAIT);
        }
        if (n == -EAGAIN || n == -EINTR) {
            return served;
        }
        checkReceived(n);
        answerAll(deadline);
        return true;
    }

    /** Breaks the connection off and makes the exception that says why. */
    ErrnoException lost(int errno, String why) {
        close();
        return new ErrnoException(errno, "vfio-user: connection given up: " + why);
    }

    @Override
    public void close() {
        if (open) {
            open = false;
            inbox.close();
            io.close();
            request.close();
            answer.close();
            socket.close();
            if (twin != null) {
                twin.close();
            }
        }
    }

    private Message awaitReply(int command, long deadline) {
        boolean bytesOnly = repliesInBytes(command);
        while (true) {
            switch (inbox.next()) {
                case MESSAGE -> {
                    int type = inbox.message().type();
                    if (type == Header.FLAGS_TYPE_REPLY) {
                        return inbox.message();
                    }
                    if (type != Header.FLAGS_TYPE_COMMAND) {
                        throw lost(EPROTO, "message of type " + type);
                    }
                    answer(deadline);
                }
                case INCOMPLETE -> receive(bytesOnly, deadline);
                case FRAMING_LOST -> throw lost(EPROTO, "a message of an impossible size");
            }
        }
    }

    /** Answers what has been received: whether there was something. */
    private boolean answerAll(long deadline) {
        boolean answered = false;
        Inbox.Next next = inbox.next();
        while (next == Inbox.Next.MESSAGE) {
            if (inbox.message().type() != Header.FLAGS_TYPE_COMMAND) {
                throw lost(EPROTO, "a reply that nobody has asked for");
            }
            answer(deadline);
            answered = true;
            next = inbox.next();
        }
        if (next == Inbox.Next.FRAMING_LOST) {
            throw lost(EPROTO, "a message of an impossible size");
        }
        return answered;
    }

    private void answer(long deadline) {
        if (System.nanoTime() - deadline >= 0) {
            // It may ask as often as it likes, but not for longer than it may take to answer.
            throw tooLate();
        }
        Message asked = inbox.message();
        memory.answerTo(asked, answer);
        if (asked.wantsReply()) {
            sendAll(answer, NO_FDS, 0, deadline);
        }
        inbox.consume();
    }

    // Of all replies the ones that are waited for most.
    private static boolean repliesInBytes(int command) {
        return command == VFIO_USER_REGION_READ
                || command == VFIO_USER_REGION_WRITE
                || command == VFIO_USER_REGION_WRITE_MULTI;
    }

    /**
     * Receives something, or throws when the deadline passes. Looks for a while, then blocks.
     *
     * @param bytesOnly whether nothing that may come has descriptors
     */
    private void receive(boolean bytesOnly, long deadline) {
        long start = System.nanoTime();
        long now = start;
        while (now - deadline < 0) {
            long n = bytesOnly ? inbox.receiveBytes(socket, MSG_DONTWAIT) : inbox.receive(socket, MSG_DONTWAIT);
            if (n != -EAGAIN && n != -EINTR) {
                checkReceived(n);
                return;
            }
            if (!serveTwin(deadline)) {
                if (now - start < options.spinNs()) {
                    Thread.onSpinWait();
                } else {
                    await(POLLIN, deadline - now);
                }
            }
            now = System.nanoTime();
        }
        throw tooLate();
    }

    /** Answers what has come on the second socket: whether something had. */
    private boolean serveTwin(long deadline) {
        if (twin == null) {
            return false;
        }
        int served = twin.serve(deadline);
        if (served < 0) {
            throw lost(-served, "its second socket: " + Errno.describe(-served));
        }
        return served > 0;
    }

    /** Waits for the first socket, and for requests on the second: what is there of the first. */
    private int await(int events, long waitNs) {
        int ready = twin == null
                ? Poll.poll(socket.value(), events, waitNs)
                : Poll.poll(socket.value(), events, twin.fd(), POLLIN, waitNs);
        return ready < 0 ? 0 : ready & (1 << Poll.OTHER) - 1;
    }

    private ErrnoException tooLate() {
        return lost(ETIMEDOUT, "no answer within " + options.timeoutNs() / 1_000_000 + " ms");
    }

    private void checkReceived(long n) {
        if (n <= 0) {
            throw broken("receive", n);
        }
    }

    private ErrnoException broken(String what, long result) {
        boolean gone = result == 0 || result == -EPIPE || result == -ECONNRESET;
        return lost(gone ? ENOTCONN : (int) -result, gone ? "the server has closed it" : what);
    }

    private void sendAll(OutMessage message, int[] fds, int fdCount, long deadline) {
        sendRest(message, 0, fds, fdCount, deadline);
    }

    private void sendRest(OutMessage message, long from, int[] fds, int fdCount, long deadline) {
        long sent = from;
        while (sent < message.size()) {
            long n = send(message, sent, fds, fdCount);
            if (n == 0) {
                awaitRoom(deadline);
            }
            sent += n;
        }
    }

    /** Sends as much as there is room for: how many bytes. */
    private long send(OutMessage message, long from, int[] fds, int fdCount) {
        long n = -EINTR;
        while (n == -EINTR) {
            // Descriptors go with the first byte.
            n = io.send(
                    socket.value(),
                    message.buffer(),
                    from,
                    message.size() - from,
                    fds,
                    from == 0 ? fdCount : 0,
                    MSG_DONTWAIT);
        }
        if (n <= 0 && n != -EAGAIN) {
            throw broken("send", n);
        }
        return Math.max(n, 0);
    }

    // The server may be waiting for room as well: what it sends is taken in, and answered once this message is out.
    private void awaitRoom(long deadline) {
        long left = deadline - System.nanoTime();
        if (left <= 0) {
            throw lost(ETIMEDOUT, "the server takes no message");
        }
        int events = await(POLLIN | POLLOUT, left);
        serveTwin(deadline);
        if (events > 0 && (events & POLLOUT) == 0) {
            long n = inbox.receive(socket, MSG_DONTWAIT);
            if (n == -EAGAIN) {
                // The inbox is full: then only room can help.
                await(POLLOUT, left);
            } else if (n != -EINTR) {
                checkReceived(n);
            }
        }
    }
}
