package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EINTR;
import static org.vfio4j.sys.Errno.ENOTCONN;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.sys.Errno.ETIMEDOUT;
import static org.vfio4j.sys.Poll.POLLOUT;
import static org.vfio4j.sys.SocketIo.MSG_DONTWAIT;

import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Poll;
import org.vfio4j.sys.SocketIo;
import org.vfio4j.uapi.VfioUser.Header;

/** The client's end of the second socket, on which the server asks for memory. Belongs to the client's thread. */
final class ClientTwin implements AutoCloseable {

    private static final int[] NO_FDS = {};

    private final Fd socket;
    private final LocalMemory memory;
    private final Inbox inbox = new Inbox(Connection.MAX_MESSAGE, 1);
    private final SocketIo io = new SocketIo(1);
    private final OutMessage answer = new OutMessage(Connection.MAX_MESSAGE);

    /**
     * @param socket owned by this object from now on
     * @param memory answers the server's requests
     */
    ClientTwin(Fd socket, LocalMemory memory) {
        this.socket = socket;
        this.memory = memory;
    }

    int fd() {
        return socket.value();
    }

    /**
     * Answers what has come, without waiting for more.
     *
     * @param deadline until when the server may take its time to take an answer
     * @return 1 when something had come, 0 when nothing had, or the negative errno that ends the connection
     */
    int serve(long deadline) {
        long n = inbox.receive(socket, MSG_DONTWAIT);
        if (n == -EAGAIN || n == -EINTR) {
            return 0;
        }
        if (n <= 0) {
            return n == 0 ? -ENOTCONN : (int) n;
        }
        Inbox.Next next = inbox.next();
        while (next == Inbox.Next.MESSAGE) {
            int error = answer(inbox.message(), deadline);
            if (error != 0) {
                return error;
            }
            inbox.consume();
            next = inbox.next();
        }
        return next == Inbox.Next.FRAMING_LOST ? -EPROTO : 1;
    }

    @Override
    public void close() {
        inbox.close();
        io.close();
        answer.close();
        socket.close();
    }

    private int answer(Message asked, long deadline) {
        if (asked.type() != Header.FLAGS_TYPE_COMMAND) {
            return -EPROTO;
        }
        memory.answerTo(asked, answer);
        return asked.wantsReply() ? send(deadline) : 0;
    }

    private int send(long deadline) {
        long sent = 0;
        int size = answer.size();
        while (sent < size) {
            long n = io.send(socket.value(), answer.buffer(), sent, size - sent, NO_FDS, 0, MSG_DONTWAIT);
            if (n > 0) {
                sent += n;
            } else if (n == -EAGAIN) {
                long left = deadline - System.nanoTime();
                if (left <= 0) {
                    return -ETIMEDOUT;
                }
                Poll.poll(socket.value(), POLLOUT, left);
            } else if (n != -EINTR) {
                return (int) n;
            }
        }
        return 0;
    }
}
