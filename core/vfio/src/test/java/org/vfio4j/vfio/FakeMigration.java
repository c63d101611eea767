package org.vfio4j.vfio;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOMSG;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;

/**
 * A device whose state is {@link #STATE}, that writes down the arcs it goes. It takes nothing else as a state, and does so when
 * it leaves RESUMING, or at once when a byte is wrong.
 */
final class FakeMigration implements VfioMigrationOps {

    static final byte[] STATE = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

    /** What PRE_COPY can tell already. */
    static final int EARLY = 4;

    final List<String> arcs = new ArrayList<>();
    final List<FakeStream> streams = new ArrayList<>();
    long resets;
    String failingArc = "";
    String streamlessArc = "";
    private final int flags;

    FakeMigration(int flags) {
        this.flags = flags;
    }

    @Override
    public int flags() {
        return flags;
    }

    @Override
    public Optional<VfioMigrationStream> arc(VfioMigrationState from, VfioMigrationState to) {
        String name = from + " " + to;
        arcs.add(name);
        if (name.equals(failingArc)) {
            throw new ErrnoException(org.vfio4j.sys.Errno.EIO, name);
        }
        FakeStream last = streams.isEmpty() ? null : streams.getLast();
        if (from == VfioMigrationState.RESUMING && last.taken.size() != STATE.length) {
            throw new ErrnoException(EINVAL, last.taken.size() + " bytes of state, of " + STATE.length);
        }
        if (to == VfioMigrationState.STOP_COPY && from != VfioMigrationState.STOP) {
            last.limit = STATE.length;
            return Optional.empty();
        }
        boolean begins = switch (name) {
            case "STOP STOP_COPY", "STOP RESUMING", "RUNNING PRE_COPY", "RUNNING_P2P PRE_COPY_P2P" -> true;
            default -> false;
        };
        if (!begins || name.equals(streamlessArc)) {
            return Optional.empty();
        }
        streams.add(new FakeStream(to == VfioMigrationState.STOP_COPY ? STATE.length : EARLY));
        return Optional.of(streams.getLast());
    }

    @Override
    public long resets() {
        return resets;
    }

    @Override
    public long stopCopyLength() {
        return STATE.length;
    }

    static final class FakeStream implements VfioMigrationStream {
        final ByteArrayOutputStream taken = new ByteArrayOutputStream();
        int closed;
        int limit;
        private int read;

        FakeStream(int limit) {
            this.limit = limit;
        }

        @Override
        public int read(MemorySegment buffer, long at, int count) {
            int n = Math.min(count, limit - read);
            if (n == 0 && limit < STATE.length) {
                throw new ErrnoException(ENOMSG, "nothing now");
            }
            MemorySegment.copy(STATE, read, buffer, ValueLayout.JAVA_BYTE, at, n);
            read += n;
            return n;
        }

        @Override
        public void write(MemorySegment buffer, long at, int count) {
            for (int i = 0; i < count; i++) {
                byte next = buffer.get(ValueLayout.JAVA_BYTE, at + i);
                if (taken.size() == STATE.length || next != STATE[taken.size()]) {
                    throw new ErrnoException(EINVAL, "byte " + taken.size() + " of the state is " + next);
                }
                taken.write(next);
            }
        }

        @Override
        public VfioPrecopyInfo precopyInfo() {
            return new VfioPrecopyInfo(true, limit - read, 5);
        }

        @Override
        public void close() {
            closed++;
        }
    }
}
