package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;

import java.util.Optional;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.VfioUser.Header;

/**
 * Answers a client's messages: carries commands out and sends their replies, or error replies. Nothing that a client sends comes out
 * of here as an exception. Belongs to the connection's owner.
 */
final class Answers implements AutoCloseable {

    private final Commands commands;
    private final DmaRequests requests;
    private final Outbox outbox;
    private final Counters counters;
    private final PeerLog log;
    private final Optional<ConfigWatch> watch;
    private final OutMessage reply = new OutMessage(Connection.MAX_MESSAGE);

    /** @param watch hears of each command before its reply is sent */
    Answers(
            Commands commands,
            DmaRequests requests,
            Outbox outbox,
            Counters counters,
            PeerLog log,
            Optional<ConfigWatch> watch) {
        this.commands = commands;
        this.requests = requests;
        this.outbox = outbox;
        this.counters = counters;
        this.log = log;
        this.watch = watch;
    }

    void handle(Message message) {
        int type = message.type();
        if (type == Header.FLAGS_TYPE_REPLY && requests.onReply(message)) {
            return;
        }
        if (type != Header.FLAGS_TYPE_COMMAND) {
            refuse(message, EINVAL);
            return;
        }
        reply.begin();
        try {
            carryOut(message);
            if (message.wantsReply()) {
                reply.putHeader(message.id(), message.command(), Header.FLAGS_TYPE_REPLY, 0);
                send();
            }
        } catch (ErrnoException e) {
            log.warn("" + e.getMessage());
            refuse(message, e.errno());
        } catch (RuntimeException | InternalError e) {
            // Of the device, or memory that has gone away under it.
            log.defect("command " + message.command(), e);
            refuse(message, EIO);
        } finally {
            reply.dropFds();
        }
    }

    private void carryOut(Message message) {
        try {
            commands.handle(message, reply);
        } finally {
            if (watch.isPresent()) {
                watch.get().handled(message);
            }
        }
    }

    /** Sends an error reply, if the client wants one. */
    void refuse(Message message, int errno) {
        counters.errors++;
        if (message.wantsReply()) {
            reply.begin();
            reply.putHeader(message.id(), message.command(), Header.FLAGS_TYPE_REPLY | Header.FLAGS_ERROR, errno);
            send();
        }
    }

    private void send() {
        // A lost connection shows when it is read next.
        if (outbox.send(reply) == 0) {
            counters.bytesSent += reply.size();
        }
    }

    /** Whether it holds much memory. */
    boolean isLarge() {
        return reply.isLarge();
    }

    /** Gives memory back. */
    void trim() {
        reply.trim();
    }

    @Override
    public void close() {
        reply.close();
    }
}
