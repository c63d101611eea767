package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Epoll.EPOLLIN;
import static org.vfio4j.sys.Epoll.EPOLLOUT;
import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EINTR;
import static org.vfio4j.sys.Errno.ENOTCONN;
import static org.vfio4j.sys.SocketIo.MSG_DONTWAIT;

import org.vfio4j.sys.Errno;
import org.vfio4j.sys.Fd;
import org.vfio4j.uapi.VfioUser.Header;

/**
 * The second socket of a connection whose client has asked for one: the server's requests go out on it and the client's answers
 * come in (vfio-user specification, "twin_socket"). The loop has it all the time, also while a worker has the first one, so a
 * queue thread gets its answer in any case. Unlike the first it is read while it does not take more: answers cause no messages.
 */
final class TwinSocket implements EventSource {

    private final EventLoop loop;
    private final Fd socket;
    private final DmaRequests requests;
    private final PeerLog log;
    private final Runnable onLost;
    private final Inbox inbox = new Inbox(Connection.MAX_MESSAGE, 1);
    private final Outbox outbox;
    private long token;
    private int interest = EPOLLIN;
    private boolean watched;
    private boolean trimAsked;

    /**
     * @param socket the server's end, not blocking, owned by this object
     * @param requests sends its requests here from now on
     * @param onLost run by the loop when the client has closed its end or broken the protocol
     */
    TwinSocket(EventLoop loop, Fd socket, DmaRequests requests, PeerLog log, Runnable onLost) {
        this.loop = loop;
        this.socket = socket;
        this.requests = requests;
        this.log = log;
        this.onLost = onLost;
        outbox = new Outbox(socket);
        token = loop.add(socket, EPOLLIN, this);
        watched = true;
        requests.sendThrough(outbox, () -> loop.execute(this::watchAgain));
    }

    @Override
    public void onEvents(int events) {
        try {
            if ((events & EPOLLOUT) != 0 && outbox.flush() != 0) {
                lost("send");
                return;
            }
            receive();
            watchAgain();
        } catch (RuntimeException e) {
            lost("" + e);
        }
    }

    @Override
    public boolean poll() {
        try {
            return receive();
        } catch (RuntimeException e) {
            lost("" + e);
            return false;
        }
    }

    /** It stays this object's. */
    Fd socket() {
        return socket;
    }

    /** Whether nothing is half sent or half received. */
    boolean isQuiet() {
        return !outbox.isBacklogged() && inbox.rest().length == 0;
    }

    /** The loop's thread: reads no more until {@link #thaw}. */
    void freeze() {
        unwatch();
    }

    void thaw() {
        interest = EPOLLIN;
        token = loop.add(socket, EPOLLIN, this);
        watched = true;
    }

    /** The loop's thread: ends it. Queue threads may still be asking, in vain. */
    void close() {
        unwatch();
        outbox.close();
        inbox.close();
        socket.close();
    }

    private boolean receive() {
        if (!watched) {
            return false;
        }
        long n = inbox.receive(socket, MSG_DONTWAIT);
        if (n == -EAGAIN || n == -EINTR) {
            return false;
        }
        if (n <= 0) {
            lost(n == 0 ? "closed by the client" : Errno.describe((int) -n));
            return false;
        }
        Inbox.Next next = inbox.next();
        while (next == Inbox.Next.MESSAGE) {
            Message message = inbox.message();
            boolean expected = message.type() == Header.FLAGS_TYPE_REPLY && requests.onReply(message);
            inbox.consume();
            if (!expected) {
                lost("a message that is no answer");
                return false;
            }
            next = inbox.next();
        }
        if (next == Inbox.Next.FRAMING_LOST) {
            lost("a message of an impossible size");
            return false;
        }
        if (inbox.isLarge() && !trimAsked) {
            trimAsked = true;
            loop.trimLater(this);
        }
        return true;
    }

    @Override
    public void trim() {
        trimAsked = false;
        if (watched) {
            inbox.trim();
        }
    }

    private void watchAgain() {
        if (!watched) {
            return;
        }
        int wanted = outbox.isBacklogged() ? EPOLLIN | EPOLLOUT : EPOLLIN;
        if (wanted != interest) {
            interest = wanted;
            loop.modify(socket, wanted, token);
        }
    }

    private void lost(String why) {
        log.warn("twin socket given up: " + why);
        unwatch();
        requests.cancel(ENOTCONN);
        onLost.run();
    }

    private void unwatch() {
        if (watched) {
            watched = false;
            loop.remove(socket, token);
        }
    }
}
