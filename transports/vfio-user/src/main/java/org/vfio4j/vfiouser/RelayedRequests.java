package org.vfio4j.vfiouser;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.uapi.VfioUser.Header;

/**
 * A client's requests that its server has not answered, in their order, which is that of the answers too: what has to be sent again to
 * another server. A request that wants no answer is made one that does, so that it is known when it has been carried out. Belongs to the
 * loop's thread; a request without descriptors allocates nothing.
 */
final class RelayedRequests implements AutoCloseable {

    /** As many as a client may have under way; more wait in its socket. */
    static final int MAX_REQUESTS = 256;

    private static final int MAX_FDS = 128;
    private static final int CAPACITY = 4 * Connection.MAX_MESSAGE;

    private final Mapping memory = Mapping.anonymous(CAPACITY);
    private final MemorySegment buffer = memory.segment();
    private final Message head = new Message(buffer, Connection.MAX_MSG_FDS * 2);

    // A ring, of which the first is at {@code first}.
    private final int[] at = new int[MAX_REQUESTS];
    private final int[] size = new int[MAX_REQUESTS];
    private final boolean[] wantsReply = new boolean[MAX_REQUESTS];
    private final List<List<Fd>> fds = new ArrayList<>();
    private int first;
    private int count;
    private int end;
    private int used;
    private int fdCount;

    RelayedRequests() {
        for (int i = 0; i < MAX_REQUESTS; i++) {
            fds.add(List.of());
        }
    }

    /** Whether there is room for any request. */
    boolean hasRoom() {
        if (count == 0) {
            return true;
        }
        if (count == MAX_REQUESTS || fdCount > MAX_FDS) {
            return false;
        }
        return end + Connection.MAX_MESSAGE <= CAPACITY || compact();
    }

    /**
     * Adds a request, which has room.
     *
     * @param request its descriptors become this object's
     * @return which it is, for {@link #send}
     */
    int add(Message request) {
        int slot = (first + count) % MAX_REQUESTS;
        int length = Header.SIZEOF + request.payloadSize();
        MemorySegment.copy(request.buffer(), request.payloadAt() - Header.SIZEOF, buffer, end, length);
        at[slot] = end;
        size[slot] = length;
        wantsReply[slot] = request.wantsReply();
        if (!wantsReply[slot]) {
            buffer.set(JAVA_INT_UNALIGNED, (long) end + Header.FLAGS, request.flags() & ~Header.FLAGS_NO_REPLY);
        }
        if (request.fdCount() > 0) {
            fds.set(slot, taken(request));
            fdCount += request.fdCount();
        }
        end += length;
        used = Math.max(used, end);
        count++;
        return slot;
    }

    boolean isEmpty() {
        return count == 0;
    }

    /** Sends a request, once more or for the first time. */
    void send(int slot, Outbox to) {
        // A lost connection shows when it is read next.
        to.send(buffer, at[slot], size[slot], fds.get(slot));
    }

    void sendAll(Outbox to) {
        for (int i = 0; i < count; i++) {
            send((first + i) % MAX_REQUESTS, to);
        }
    }

    /** The first request, with its descriptors for whoever takes them, until {@link #removeHead}. */
    Message head() {
        head.moveTo(at[first], size[first]);
        List<Fd> own = fds.get(first);
        for (int i = 0; i < own.size(); i++) {
            head.addFd(own.get(i));
        }
        return head;
    }

    boolean headWantsReply() {
        return wantsReply[first];
    }

    /** The first request has been answered. */
    void removeHead() {
        head.closeFds();
        fdCount -= fds.get(first).size();
        fds.set(first, List.of());
        first = (first + 1) % MAX_REQUESTS;
        count--;
        if (count == 0) {
            end = 0;
        }
    }

    boolean isLarge() {
        return used > Inbox.KEPT;
    }

    void trim() {
        if (isLarge() && count == 0) {
            used = 0;
            Inbox.discardAllBut(memory, Inbox.KEPT);
        }
    }

    @Override
    public void close() {
        fds.forEach(some -> some.forEach(Fd::close));
        memory.close();
    }

    private static List<Fd> taken(Message request) {
        List<Fd> all = new ArrayList<>(request.fdCount());
        for (int i = 0; i < request.fdCount(); i++) {
            all.add(request.takeFd(i));
        }
        return all;
    }

    // Moves everything to the front; false when that does not help.
    private boolean compact() {
        int from = at[first];
        if (end - from + Connection.MAX_MESSAGE > CAPACITY) {
            return false;
        }
        MemorySegment.copy(buffer, from, buffer, 0, end - from);
        for (int i = 0; i < count; i++) {
            at[(first + i) % MAX_REQUESTS] -= from;
        }
        end -= from;
        return true;
    }
}
