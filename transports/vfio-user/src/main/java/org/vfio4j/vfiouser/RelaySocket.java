package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Epoll.EPOLLHUP;
import static org.vfio4j.sys.Epoll.EPOLLIN;
import static org.vfio4j.sys.Epoll.EPOLLOUT;

import org.vfio4j.sys.Fd;

/** One of the two sockets of a {@link Relay}. Belongs to the loop's thread. */
final class RelaySocket implements EventSource {

    private final EventLoop loop;
    private final Fd socket;
    private final Relay relay;
    private final Inbox inbox = new Inbox(Connection.MAX_MESSAGE, Connection.MAX_MSG_FDS);
    private final Outbox outbox;
    private final long token;
    private int interest = EPOLLIN;
    private boolean hungUp;
    private boolean closed;

    /** @param socket not blocking, owned by this object */
    RelaySocket(EventLoop loop, Fd socket, Relay relay) {
        this.loop = loop;
        this.socket = socket;
        this.relay = relay;
        outbox = new Outbox(socket);
        token = loop.add(socket, EPOLLIN, this);
    }

    Inbox inbox() {
        return inbox;
    }

    Outbox outbox() {
        return outbox;
    }

    /** As {@link Inbox#receive}. */
    long receive(int flags) {
        return inbox.receive(socket, flags);
    }

    /** Whether the peer has gone; what it has sent before may still be there. */
    boolean isHungUp() {
        return hungUp;
    }

    /** The peer has gone, as the caller knows before the kernel has told. */
    void hangUp() {
        hungUp = true;
    }

    /** Watches for what there is to do: to read, if that is wanted, and to send what is kept. */
    void watch(boolean reads) {
        int wanted = (reads ? EPOLLIN : 0) | (outbox.isBacklogged() ? EPOLLOUT : 0);
        if (wanted != interest && !closed) {
            interest = wanted;
            loop.modify(socket, wanted, token);
        }
    }

    @Override
    public void onEvents(int events) {
        hungUp |= (events & EPOLLHUP) != 0;
        relay.turn(this, (events & EPOLLOUT) != 0);
    }

    @Override
    public boolean poll() {
        return relay.turn(this, false);
    }

    @Override
    public void trim() {
        relay.trim();
    }

    void close() {
        if (!closed) {
            closed = true;
            loop.remove(socket, token);
            outbox.close();
            inbox.close();
            socket.close();
        }
    }
}
