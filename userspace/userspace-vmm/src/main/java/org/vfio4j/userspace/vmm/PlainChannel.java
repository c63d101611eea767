package org.vfio4j.userspace.vmm;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.List;
import org.vfio4j.sys.ErrnoException;

/** Bytes as they are: memory goes to the socket, and comes from it, without a copy in between. */
public final class PlainChannel implements MigrationChannel {

    private final SocketChannel socket;
    private final ChannelWatch watch;

    /**
     * @param socket connected and blocking; the channel's from now on
     * @param patienceNs how long the other side may do nothing
     * @throws ErrnoException when the socket has failed
     */
    public PlainChannel(SocketChannel socket, long patienceNs) {
        this.socket = socket;
        try {
            // The sizes of its buffers are the kernel's to choose: one that is set is cut to a system's limit, and
            // stays.
            socket.setOption(StandardSocketOptions.TCP_NODELAY, true);
        } catch (IOException e) {
            throw ErrnoException.of(e, "migration: options of the socket");
        }
        watch = new ChannelWatch(socket, patienceNs);
    }

    @Override
    public void write(List<MemorySegment> pieces) {
        ByteBuffer[] buffers = new ByteBuffer[pieces.size()];
        long left = 0;
        for (int i = 0; i < buffers.length; i++) {
            buffers[i] = pieces.get(i).asByteBuffer();
            left += buffers[i].remaining();
        }
        int first = 0;
        while (left > 0) {
            int from = first;
            left -= watch.call(
                    ChannelWatch.Direction.OUT, () -> (int) socket.write(buffers, from, buffers.length - from));
            while (first < buffers.length && !buffers[first].hasRemaining()) {
                first++;
            }
        }
    }

    @Override
    public int read(MemorySegment into) {
        ByteBuffer buffer = into.asByteBuffer();
        return watch.call(ChannelWatch.Direction.IN, () -> socket.read(buffer));
    }

    @Override
    public void close() {
        watch.close();
    }
}
